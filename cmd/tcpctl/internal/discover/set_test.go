package discover

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// backends parses words like "a" or "a=2", where 2 is the weight.
func backends(words string) (all []proxy.BackendConfig) {
	for _, w := range strings.Fields(words) {
		name, weight, _ := strings.Cut(w, "=")
		b := proxy.BackendConfig{Name: name, Addr: name + ".example:1", Weight: 1}
		if weight != "" {
			b.Weight, _ = strconv.Atoi(weight)
		}
		all = append(all, b)
	}
	return all
}

// written formats a set as backends parses it, with * after those that are held.
func written(s Set) string {
	var words []string
	for _, b := range s.Backends {
		w := b.Name
		if b.Weight != 1 {
			w += fmt.Sprintf("=%d", b.Weight)
		}
		if s.Held != nil {
			if _, missing := s.Held.Missing[b.Name]; missing {
				w += "*"
			}
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// Each step is: seconds, the answer ("!" and an error for a failure; "~": during maintenance), the
// set then in force, and the kinds of events.
var setStories = []struct {
	name  string
	hold  time.Duration
	steps string
}{
	{"the first answer", 30 * time.Second, `
		0 | a b | a b | changed`},
	{"nothing found at first", 30 * time.Second, `
		0 | | | changed
		1 | | |
		2 | a | a | changed`},
	{"half goes at once", 30 * time.Second, `
		0 | a b c d | a b c d | changed
		1 | a b | a b | changed`},
	{"more than half is held, then goes", 30 * time.Second, `
		0  | a b c | a b c | changed
		10 | a     | a b* c* | holding
		39 | a     | a b* c* |
		40 | a     | a | changed`},
	{"the names come back", 30 * time.Second, `
		0  | a b c | a b c | changed
		10 | a     | a b* c* | holding
		20 | a b c | a b c | released
		50 | a     | a b* c* | holding`},
	{"one empty answer", 30 * time.Second, `
		0 | a b | a b | changed
		5 |     | a* b* | holding
		9 | a b | a b | released`},
	{"empty for good", 30 * time.Second, `
		0  | a b | a b | changed
		5  |     | a* b* | holding
		20 |     | a* b* |
		35 |     | | changed
		36 | c   | c | changed`},
	{"the only one changes its name", 30 * time.Second, `
		0  | a | a | changed
		5  | b | a* b | changed holding
		20 | b | a* b |
		35 | b | b | changed`},
	{"new ones and other weights are not held", 30 * time.Second, `
		0  | a b c | a b c | changed
		5  | a=7 x | a=7 b* c* x | changed holding
		35 | a=7 x | a=7 x | changed`},
	{"what came during a hold does not end it", 30 * time.Second, `
		0  | a b | a b | changed
		5  | x y z | a* b* x y z | changed holding
		6  | x y z | a* b* x y z |
		35 | x y z | x y z | changed`},
	{"an empty answer during a hold is held as well", 30 * time.Second, `
		0  | a b | a b | changed
		5  | x   | a* b* x | changed holding
		34 |     | a* b* x* | holding
		36 | x   | x | changed`},
	{"each name has a clock of its own", 30 * time.Second, `
		0  | a b c d e | a b c d e | changed
		10 | e | a* b* c* d* e | holding
		20 | d e | a* b* c* d e | holding
		30 | e | a* b* c* d* e | holding
		40 | e | d* e | changed holding
		41 | e | e | changed`},
	{"a part comes back, and the rest is few", 30 * time.Second, `
		0  | a b c d | a b c d | changed
		10 | a | a b* c* d* | holding
		12 | a b c | a b c | changed`},
	{"no hold", 0, `
		0 | a b | a b | changed
		1 | | | changed`},
	{"a source that fails", 30 * time.Second, `
		0  | a b | a b | changed
		5  | !SERVFAIL | a b | failed
		90 | !SERVFAIL | a b |
		91 | a b | a b | recovered
		92 | !timeout | a b | failed`},
	{"a failure is not an answer: it removes nothing that is held", 30 * time.Second, `
		0  | a b | a b | changed
		5  | | a* b* | holding
		36 | !x | a* b* | failed
		37 | a | a | recovered changed`},
	{"nothing is removed during maintenance", 30 * time.Second, `
		0   | a b c | a b c | changed
		5   | ~a b  | a b c* | deferred
		40  | ~a x  | a b* c* x | changed deferred
		100 | ~     | a* b* c* x* | deferred
		110 | a b c x | a b c x | released`},
	{"after it the clock begins", 30 * time.Second, `
		0   | a b c | a b c | changed
		5   | ~     | a* b* c* | deferred
		95  | ~     | a* b* c* |
		96  |       | a* b* c* |
		125 |       | | changed`},
	{"after it few go at once", 30 * time.Second, `
		0   | a b c | a b c | changed
		5   | ~a b  | a b c* | deferred
		6   | a b   | a b | changed`},
	{"nothing is removed during maintenance, without a hold either", 0, `
		0 | a b | a b | changed
		1 | ~   | a* b* | deferred
		2 |     | | changed`},
	{"a failure before the first answer", 30 * time.Second, `
		0 | !x | | failed
		1 | a | a | recovered changed`},
}

func TestRule40bHold(t *testing.T) {
	t.Parallel()
	for _, story := range setStories {
		t.Run(story.name, func(t *testing.T) {
			var s Set
			t0 := time.Now()
			for line := range strings.SplitSeq(strings.TrimSpace(story.steps), "\n") {
				part := strings.Split(line, "|")
				var at int
				fmt.Sscan(part[0], &at)
				now, said := t0.Add(time.Duration(at)*time.Second), strings.TrimSpace(part[1])
				var events []Event
				if err, failed := strings.CutPrefix(said, "!"); failed {
					s, events = s.Fail(err, now)
				} else {
					s, events = s.Answer(backends(strings.TrimPrefix(said, "~")), Terms{story.hold, strings.HasPrefix(said, "~")}, now)
					if !s.At.Equal(now) {
						t.Errorf("%s: the answer is of %v", line, s.At)
					}
				}
				if got, want := written(s), strings.TrimSpace(part[2]); got != want {
					t.Errorf("%s: in force is %q", strings.TrimSpace(line), got)
				}
				var kinds []string
				for _, e := range events {
					kinds = append(kinds, e.Kind)
				}
				if got, want := strings.Join(kinds, " "), strings.TrimSpace(part[3]); got != want {
					t.Errorf("%s: happened %q: %v", strings.TrimSpace(line), got, events)
				}
			}
		})
	}
}

// Rules 40b and 40c in the texts for operators.
func TestRule40bSaysWhatAndWhy(t *testing.T) {
	t.Parallel()
	t0 := time.Now()
	s, events := Set{}.Answer(backends("a b c"), Terms{Hold: 30 * time.Second}, t0)
	said := []string{events[0].Text}
	step := func(next Set, events []Event) {
		s = next
		for _, e := range events {
			said = append(said, e.Text)
		}
	}
	step(s.Answer(backends("a=3"), Terms{Hold: 30 * time.Second}, t0.Add(time.Second)))
	step(s.Fail("SERVFAIL", t0.Add(13*time.Second)))
	step(s.Answer(backends("a=3 b c"), Terms{Hold: 30 * time.Second}, t0.Add(14*time.Second)))
	step(s.Answer(backends("a=3 b"), Terms{Hold: 30 * time.Second}, t0.Add(15*time.Second)))
	want := `found a, b, c
changed a
left out 2 of 3 backends (b, c): they stay until answers have left them out for 30s
does not answer: SERVFAIL; 3 backends found 12s ago stay
answers again
names b, c again: nothing is removed
no longer names c: drained, then removed`
	if got := strings.Join(said, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Answers that are all different must not accumulate backends without bound.
func TestSetDoesNotGrowWithoutEnd(t *testing.T) {
	t.Parallel()
	var s Set
	t0 := time.Now()
	for i := range 20 {
		var words strings.Builder
		for n := range maxBackends {
			fmt.Fprintf(&words, "b%03d-%04d ", i, n)
		}
		s, _ = s.Answer(backends(words.String()), Terms{Hold: 30 * time.Second}, t0.Add(time.Duration(i)*5*time.Second))
		if len(s.Backends) > 2*maxBackends {
			t.Fatalf("answer %d: %d backends", i, len(s.Backends))
		}
	}
	if s.At.IsZero() || s.At.Equal(t0) {
		t.Error("no later answer has ever come into force")
	}
}
