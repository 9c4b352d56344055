package discover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// scripted is a source with the test's answers.
type scripted struct {
	answers func(n int, patience time.Duration) (answer, error)
	n       int
	closed  bool
}

func (s *scripted) ask(ctx context.Context, patience time.Duration) (answer, error) {
	s.n++
	return s.answers(s.n, patience)
}

func (s *scripted) close() { s.closed = true }

// watched runs a watcher in a bubble for a time, and returns what was published: "second: set;
// event".
func watched(t *testing.T, spec Spec, src *scripted, d time.Duration) (lines []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		w := &watcher{spec: spec, src: src, done: make(chan struct{}), check: func(...proxy.BackendConfig) error { return nil }, busy: func() bool { return false },
			publish: func(s Set, events []Event) {
				line := fmt.Sprintf("%g: %s", time.Since(began).Seconds(), written(s))
				for _, e := range events {
					line += "; " + e.Kind
				}
				lines = append(lines, line)
			}}
		go w.run(ctx)
		time.Sleep(d)
		cancel()
		<-w.done
	})
	if !src.closed {
		t.Error("the source was not closed")
	}
	return lines
}

// A source is asked again when its answer's validity ends, at most once a second, and after refresh
// at the latest. After failures it backs off up to refresh.
func TestWhenASourceIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		valid time.Duration
		err   error
		want  string
	}{
		"TTL 0":    {0, nil, "0 1 2 3 4 5 6 7 8 9"},
		"TTL 4":    {4 * time.Second, nil, "0 4 8"},
		"huge TTL": {1 << 31 * time.Second, nil, "0 9"},
		"none":     {forever, nil, "0 9"},
		"failure":  {0, errors.New("no"), "0 1 3 7"},
	} {
		src := &scripted{answers: func(int, time.Duration) (answer, error) { return answer{backends("a"), c.valid}, c.err }}
		var at []string
		for _, line := range watched(t, Spec{From: "dns:db.example:1", Refresh: 9 * time.Second}, src, 9500*time.Millisecond) {
			at = append(at, line[:strings.Index(line, ":")])
		}
		if got := strings.Join(at, " "); got != c.want {
			t.Errorf("%s: asked at %s, want %s", name, got, c.want)
		}
	}
}

// An answer resets the back-off: after the next failure the source is soon asked again.
func TestAnAnswerEndsTheBackOff(t *testing.T) {
	t.Parallel()
	src := &scripted{answers: func(n int, _ time.Duration) (answer, error) {
		if n == 4 {
			return answer{backends("a"), time.Second}, nil
		}
		return answer{}, errors.New("no")
	}}
	got := strings.Join(watched(t, Spec{From: "dns:db.example:1", Refresh: time.Hour}, src, 12500*time.Millisecond), "\n")
	if want := "0: ; failed\n1: \n3: \n7: a; recovered; changed\n8: a; failed\n9: a\n11: a"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// At the end of a hold the source is asked, however long its answer is valid; a source that waits
// for changes must not wait beyond it.
func TestRule40bAHoldEndsWithAnAnswer(t *testing.T) {
	t.Parallel()
	said := func(n int) answer {
		if n == 1 {
			return answer{backends("a b c"), forever}
		}
		return answer{backends("a"), forever}
	}
	src := &scripted{answers: func(n int, _ time.Duration) (answer, error) { return said(n), nil }}
	got := strings.Join(watched(t, Spec{From: "file:x", Refresh: 20 * time.Second, Hold: 30 * time.Second}, src, 60*time.Second), "\n")
	want := "0: a b c; changed\n20: a b* c*; holding\n40: a b* c*\n50: a; changed"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var patience []string
	src = &scripted{answers: func(n int, p time.Duration) (answer, error) {
		patience = append(patience, p.String())
		if n < 4 {
			time.Sleep(p)
		} else {
			time.Sleep(time.Hour)
		}
		a := said(n)
		a.valid = 0
		return a, nil
	}}
	got = strings.Join(watched(t, Spec{From: "consul:x", Hold: 30 * time.Second}, src, 10*time.Minute), "\n")
	want = "0: a b c; changed\n301: a b* c*; holding\n331: a; changed"
	if got != want || strings.Join(patience, " ") != "0s 5m0s 30s 5m0s" {
		t.Errorf("got\n%s\nwant\n%s\npatience %v", got, want, patience)
	}
}

// A panic while reading an answer, and an unusable answer, are failures: the set stays.
func TestRule40cFaultsAreFailures(t *testing.T) {
	t.Parallel()
	src := &scripted{answers: func(n int, _ time.Duration) (answer, error) {
		switch n {
		case 2:
			panic("a fault")
		case 3:
			return answer{backends: []proxy.BackendConfig{{Addr: "no port"}}}, nil
		}
		return answer{backends("a b"), time.Second}, nil
	}}
	got := strings.Join(watched(t, Spec{From: "file:x"}, src, 4500*time.Millisecond), "\n")
	if want := "0: a b; changed\n1: a b; failed\n2: a b\n4: a b; recovered"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
