package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// freshAttach is a console as `tcpctl attach` opens it at 80x24, on the sick fleet, with waiters of
// its paused service and past events.
func freshAttach(t *testing.T) *console {
	engine := sickFleet()
	for i := range 12 {
		engine.waiters = append(engine.waiters, proxy.WaiterInfo{ID: fmt.Sprintf("s%d", 500+i), Position: i + 1, Client: fmt.Sprintf("10.2.1.%d:4000", i+1), WaitedSeconds: float64(42 - i), State: proxy.WaiterWaiting, Reason: "paused"})
	}
	engine.events = edgeEvents()
	c := newConsole(t, engine, 80, 24, func(cfg *Config) { cfg.Attached = true })
	c.sickFirst()
	c.hogFor(14)
	return c
}

// types presses keys by name, and types words in quotation marks letter by letter. It returns the
// number of keys.
func (c *console) types(keys string) (n int) {
	c.t.Helper()
	for i, part := range strings.Split(keys, `"`) {
		if i%2 == 1 {
			c.write(part)
			n += len(part)
			continue
		}
		c.press(part)
		n += len(strings.Fields(part))
	}
	return n
}

// What a console is opened for, with the maximum number of keys from the first screen on.
func TestTheJobsTakeFewKeys(t *testing.T) {
	for name, job := range map[string]struct {
		keys string
		most int
		sees []string // in any order
		did  []string
	}{
		"the sick backend, and why":  {"! enter", 2, []string{"backend svc5/svc5-c", "! DOWN for 26:", "refused 3/3", "takes no new sessions"}, nil},
		"who waits for the pause":    {"! 3", 2, []string{"[2 Queue 12]", "svc3", "10.2.1.1:4000", "10.2.1.2:4000", "10.2.1.3:4000", "00:42"}, nil},
		"resume at a pace":           {"! 3 P 5 enter", 5, nil, []string{"tcpctl resume svc3 --rate 5/s"}},
		"kick the hog":               {"! 5 K y", 4, nil, []string{"tcpctl kick s100"}},
		"the hog is known before it": {"! 5 K", 3, []string{"kick s100 10.2.0.44:4000 on svc2/svc2-a"}, nil},
		"what happened, and by whom": {"5", 3, []string{"13:59:58  >  op", "ana: drain db-front/pg-b", "14:01:29  !  backend", "is down: connection refused"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := freshAttach(t)
			if n := c.types(job.keys); n > job.most {
				t.Errorf("it takes %d keys, not %d: %s", n, job.most, job.keys)
			}
			c.look()
			c.sees(job.sees...)
			c.did(job.did...)
		})
	}
}

// A drain with a limit and a reason is one dialog with enter at its end, and its outcome is shown
// without another key.
func TestADrainWithLimitAndReasonIsOneDialog(t *testing.T) {
	c := freshAttach(t)
	c.press("j")
	c.engine.change(func(f *fake) { f.status.Services[5].Backends[0].Active = 7 })
	c.look()
	typed := len("5m") + len("new kernel")
	n := c.types(`d tab "5m" tab tab tab "new kernel"`)
	c.sees("svc5-a", "limit [5m", "reason [new kernel", "tcpctl drain svc5/svc5-a --limit 5m --reason 'new kernel'")
	if len(c.over) != 1 {
		t.Errorf("%d dialogs", len(c.over))
	}
	for ; c.overlay() != nil && n < 30; n++ {
		c.press("enter")
	}
	if keys := n - typed; keys > 8 {
		t.Errorf("it takes %d keys beside what is typed", keys)
	}
	c.did("tcpctl drain svc5/svc5-a --limit 5m --reason 'new kernel'")
	c.pass(time.Second)
	c.sees("7/7 remaining")
	c.engine.change(func(f *fake) {
		b := &f.status.Services[5].Backends[0]
		b.Active, b.Drain.Remaining = 0, 0
	})
	c.pass(time.Second)
	c.sees("svc5/svc5-a is drained: no sessions remain")
}

// A new console names a hog that is older than the console, with its age, as soon as it has a
// second list of sessions.
func TestAHogFromBeforeIsNamedAtOnce(t *testing.T) {
	engine := sickFleet()
	for i, n := range []int64{1400, 300, 200} {
		engine.sessions[i].BytesIn = n * 1024 * 800
	}
	c := newConsole(t, engine, 80, 24, func(cfg *Config) { cfg.Attached = true })
	c.sickFirst()
	c.hogFor(int(hogEvery/time.Second) + 2)
	c.sees("HOG       10.2.0.44  1.4M/s, 74 % of svc2, 13m")
}
