package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestTheHistoryOfANight: a backend is killed under load, an operator drains, pauses and makes a
// note, and the whole process is killed and started again. Afterwards each moment, and the report,
// agree with what the clients and the backend have seen.
func TestTheHistoryOfANight(t *testing.T) {
	t.Parallel()
	a := startBackend(t, "a")
	file := filepath.Join(t.TempDir(), "history.db")
	config := fmt.Sprintf(`[services.db]
listen = "127.0.0.1:%s"
no_backend = "reject"
connect_retries = 0
backends = [{ name = "a", addr = "%s" }]
check = { interval = "200ms", timeout = "1s", rise = 1, fall = 2 }
[history]
file = "%s"
`, strings.TrimPrefix(proxytest.FreePort(t), "127.0.0.1:"), a.addr, file)
	in := runConfigured(t, config)
	in.until("the backend", backendUp)
	began := time.Now()
	night := newNight(in.addr())
	waitUntil(t, "a client that was served", func() bool { return night.served.Load() > 20 })
	waitUntil(t, "a second before it", func() bool { return time.Since(began) > 2*time.Second })
	in.tcpctl("mark", "OPS-77", "begins")
	killed := time.Now()
	a.die()
	in.until("the backend to be down", func(s *proxy.ServiceInfo) bool { return s.Backends[0].State == "down" })
	found := time.Now()
	time.Sleep(2500 * time.Millisecond)
	started := time.Now().Truncate(time.Millisecond) // as it is written
	if err := a.start(); err != nil {
		t.Fatal(err)
	}
	in.until("the backend", backendUp)
	revived := time.Now()
	in.tcpctl("drain", "db/a", "--force", "--reason", "kernel")
	in.tcpctl("ready", "db/a", "--wait")
	ready := time.Now()
	waitUntil(t, "another client that was served", func(n int64) func() bool { return func() bool { return night.served.Load() > n+20 } }(night.served.Load()))
	night.end()
	time.Sleep(2100 * time.Millisecond) // each second is written at its end
	in.cmd.Process.Signal(syscall.SIGKILL)
	in.cmd.Wait()
	stopped := time.Now()

	next := runConfigured(t, config)
	next.until("the backend", backendUp)
	src := control.Dial(next.socket)
	defer src.Close()
	waitUntil(t, "the first second", func() bool { _, err := src.Moment(t.Context(), began); return err == nil })
	i, err := src.Incident(t.Context(), api.Stretch{Since: began.Add(-2 * time.Second), Until: stopped})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := i.Impact.Served, night.served.Load(); got < want || got > want+night.failed.Load() {
		t.Errorf("%d were served, the clients say %d (and %d that were not)", got, want, night.failed.Load())
	}
	if got, want := i.Impact.Failed+i.Impact.Rejected+i.Impact.Cut+i.Impact.Served, night.served.Load()+night.failed.Load(); got < want-2 || got > want+2 {
		t.Errorf("%d clients came to an end, and %d say so: %+v", got, want, i.Impact)
	}
	var down *api.Outage
	for n := range i.Outages {
		if i.Outages[n].Target == "db/a" {
			down = &i.Outages[n]
		}
	}
	if down == nil || down.Since.After(found) || down.Since.Before(killed) || down.Until.Before(started) || down.Until.After(ready) {
		t.Errorf("the outage from %s to %s is reported as %+v", killed, ready, down)
	}
	for _, c := range []struct {
		at   time.Time
		want string
	}{{killed.Add(-time.Second), "up"}, {found.Add(time.Second), "down"}, {revived.Add(1100 * time.Millisecond), "up"}} {
		m, err := src.Moment(t.Context(), c.at)
		if err != nil || m.Status.Backend("db/a") == nil || m.Status.Backend("db/a").State != c.want {
			t.Errorf("at %s it is not %s: %+v, %v", c.at, c.want, m, err)
		}
	}
	since := began.Add(-2 * time.Second).Format(time.RFC3339)
	for _, form := range []string{"", "--markdown", "--html", "--json"} {
		words := append([]string{"report", "--since", since}, strings.Fields(form)...)
		out := next.tcpctl(words...)
		for _, part := range []string{"kernel", "tcpctl drain db/a", "OPS-77 begins", "db/a"} {
			if !strings.Contains(out, part) {
				t.Errorf("report %s has no %q:\n%s", form, part, out)
			}
		}
	}
	if out := next.tcpctl("history", "--since", since, "--kind", "operator", "--json"); !json.Valid([]byte(out)) || strings.Count(out, `"seq"`) != 2 {
		t.Errorf("acts: %s", out)
	}
	if out := next.tcpctl("top", "db", "--since", since, "--by", "sessions"); !strings.Contains(out, "127.0.0.1") {
		t.Errorf("top: %s", out)
	}
}

// backendUp waits for the first backend.
func backendUp(s *proxy.ServiceInfo) bool { return s.Backends[0].State == "up" }

// night makes one visit after another, and counts them.
type night struct {
	served, failed atomic.Int64
	stop           chan struct{}
	wg             sync.WaitGroup
}

func newNight(addr string) *night {
	n := &night{stop: make(chan struct{})}
	n.wg.Go(func() {
		for {
			select {
			case <-n.stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if visitOnce(addr) == nil {
				n.served.Add(1)
			} else {
				n.failed.Add(1)
			}
		}
	})
	return n
}

func (n *night) end() {
	close(n.stop)
	n.wg.Wait()
}

func visitOnce(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.says("hello")
	return c.hears("a: hello")
}

// TestKilledWhileItWrites: after a process was killed, its file can be opened, and at most the last
// two seconds are missing. TCPCTL_HISTORY=50 is the long form.
func TestKilledWhileItWrites(t *testing.T) {
	t.Parallel()
	times := 2
	fmt.Sscan(os.Getenv("TCPCTL_HISTORY"), &times)
	file := filepath.Join(t.TempDir(), "history.db")
	config := fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [\"%s\"]\ncheck = { type = \"none\" }\n[history]\nfile = %q\n", proxytest.FreePort(t), file)
	var seq uint64
	worst := time.Duration(0)
	var ends []time.Time
	for n := range times {
		in := runConfigured(t, config)
		mark := fmt.Sprintf("start %d", n)
		in.tcpctl("mark", mark)
		time.Sleep(2200*time.Millisecond + time.Duration(n*37%900)*time.Millisecond)
		in.cmd.Process.Signal(syscall.SIGKILL)
		in.cmd.Wait()
		ends = append(ends, time.Now())
	}
	in := runConfigured(t, config)
	src := control.Dial(in.socket)
	defer src.Close()
	waitUntil(t, "the first second", func() bool { _, err := src.Moment(t.Context(), time.Now()); return err == nil })
	all, err := src.Timeline(t.Context(), api.TimelineQuery{Kind: "mark"})
	if err != nil || len(all) != times {
		t.Fatalf("%d of %d marks are there, %v", len(all), times, err)
	}
	for _, ev := range all {
		if ev.Seq <= seq {
			t.Errorf("the number %d comes after %d", ev.Seq, seq)
		}
		seq = ev.Seq
	}
	waitUntil(t, "the gap", func() bool {
		i, err := src.Incident(t.Context(), api.Stretch{Since: ends[0].Add(-time.Hour), Until: time.Now()})
		return err == nil && i.Impact.Clients == 0
	})
	out, err := exec.Command("sqlite3", file, "SELECT at FROM service_1s ORDER BY at").Output()
	if err == nil { // if sqlite3 is installed
		seconds := strings.Fields(string(out))
		for _, end := range ends {
			last := int64(0)
			for _, text := range seconds {
				var at int64
				fmt.Sscan(text, &at)
				if at < end.Unix() {
					last = at
				}
			}
			worst = max(worst, end.Sub(time.Unix(last+1, 0)))
		}
		if worst > 3*time.Second { // two may be missing, and the one that had begun
			t.Errorf("the last %s before an end are missing", worst)
		}
	}
	if aside, _ := filepath.Glob(file + ".damaged*"); len(aside) > 0 {
		t.Errorf("it was considered damaged: %v", aside)
	}
	if st, err := src.Status(t.Context()); err != nil || st.History.Failed != "" {
		t.Errorf("%+v, %v", st.History, err)
	}
	t.Logf("%d times killed; of the last seconds at most %s are missing", times, worst.Round(time.Millisecond))
}

// waitUntil waits for a condition.
func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("timeout waiting for " + what)
		}
	}
}
