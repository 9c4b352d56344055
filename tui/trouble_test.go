package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// sickFleet is ten services with forty backends, with five troubles: two backends are down, a
// service is paused, a hook fails, and one client takes most of a service.
func sickFleet() *fake {
	f := edge()
	f.status.Mesh.Peers[1].State = meshinfo.Alive
	f.waiters, f.status.Services, f.events, f.sessions = nil, nil, nil, nil
	for i := range 10 {
		name := fmt.Sprintf("svc%d", i)
		s := proxy.ServiceInfo{Name: name, Listen: []string{fmt.Sprintf("0.0.0.0:%d", 9000+i)}, State: proxy.StateOpen, Balance: "random", Sessions: proxy.SessionCounts{Active: 4, Total: 900}}
		for j := range 4 {
			s.Backends = append(s.Backends, proxy.BackendInfo{Name: fmt.Sprintf("%s-%c", name, 'a'+j), Addr: fmt.Sprintf("10.0.%d.%d:80", i, j+1), State: proxy.StateUp, Admin: proxy.AdminReady, Eligible: true,
				Since: start.Add(-98 * time.Hour), Active: 1, Weight: 100, RTTSeconds: 0.001, Check: &proxy.CheckInfo{OK: true, Consecutive: 30, Threshold: 3, Detail: "connected", At: start}})
		}
		f.status.Services = append(f.status.Services, s)
	}
	for _, at := range [][2]int{{5, 2}, {8, 0}} {
		b := &f.status.Services[at[0]].Backends[at[1]]
		b.State, b.Eligible, b.Reason, b.Active, b.RTTSeconds, b.Since = proxy.StateDown, false, "down", 0, 0, start.Add(-26*time.Minute)
		b.Check = &proxy.CheckInfo{Consecutive: 3, Threshold: 3, Detail: "refused", At: start, Last: "+++!!!"}
	}
	p := &f.status.Services[3]
	p.State, p.Queue = proxy.StatePaused, proxy.QueueInfo{Waiting: 12, OldestSeconds: 42}
	p.Pause = &proxy.PauseInfo{Owner: "ana@edge-01", By: "pause", Reason: "kernel patch", Since: start.Add(-time.Minute), Until: start.Add(77 * time.Second), Held: 12}
	next := start.Add(4 * time.Second)
	f.status.Services[6].Hook = &proxy.HookInfo{State: proxy.HookRetrying, Name: "before_next", Failed: 3, NextTry: &next}
	for i, host := range []string{"10.2.0.44", "10.2.0.9", "10.2.0.10"} {
		f.sessions = append(f.sessions, proxy.SessionInfo{ID: fmt.Sprintf("s%d", 100+i), Service: "svc2", Backend: "svc2-a", Client: host + ":4000", Via: "tcp", Phase: "relay", AgeSeconds: 800})
	}
	return f
}

// hogFor lets time pass in which one client of three takes most.
func (c *console) hogFor(seconds int) {
	c.t.Helper()
	for range seconds {
		c.engine.change(func(f *fake) {
			f.status.Services[2].BytesIn += 2 << 20
			f.sessions = slices.Clone(f.sessions)
			for i, n := range []int64{1400 << 10, 300 << 10, 200 << 10} {
				f.sessions[i].BytesIn += n
			}
		})
		c.pass(time.Second)
	}
}

func newSickConsole(t *testing.T, w, h int) *console {
	c := newConsole(t, sickFleet(), w, h)
	c.sickFirst()
	c.hogFor(14)
	return c
}

// All five are named on the first screen, worst first, at every size that has room for them.
func TestTroubleIsSeenFirst(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {140, 45}, {200, 60}, {100, 30}, {40, 10}, {29, 5}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			c := newSickConsole(t, size[0], size[1])
			golden(t, fmt.Sprintf("trouble-%dx%d", size[0], size[1]), c)
			if size[1] < 20 {
				return
			}
			var at []int
			for _, want := range []string{"svc5-c  DOWN 26m", "svc8-a  DOWN 26m", "PAUSED    by ana", "HOOK      before_next failed 3 times", "HOG       10.2.0.44  1.4M/s, 74 % of svc2"} {
				if i := strings.Index(c.screen(), want); i >= 0 {
					at = append(at, i)
				} else {
					t.Errorf("not on the screen: %q\n%s", want, c.screen())
				}
			}
			if !slices.IsSorted(at) {
				t.Errorf("the worst is not first:\n%s", c.screen())
			}
			c.sees("DOWN 2  PAUSED 1  HOOK 1  HOG 1  Q 12", "01:03", "12 held", "kernel patch")
			c.seesNot("UP 38/40")
		})
	}
}

// Each trouble is reached with two keys, and the next act applies to it.
func TestEachTroubleIsTwoKeysAway(t *testing.T) {
	for key, want := range map[string]struct {
		pane int
		row  string
	}{"1": {paneBackends, "svc5/svc5-c"}, "2": {paneBackends, "svc8/svc8-a"}, "3": {paneQueue, ""}, "4": {paneBackends, "svc6"}, "5": {paneSessions, "s100"}} {
		c := newSickConsole(t, 80, 24)
		c.press("5 /") // from any pane, whatever the filter
		c.write("nothing")
		c.press("enter ! " + key)
		if c.focus != want.pane || want.row != "" && c.grid().CurrentID() != want.row {
			t.Errorf("! %s: pane %d, row %q", key, c.focus, c.grid().CurrentID())
		}
		if want.pane == paneQueue && c.queue.service != "svc3" {
			t.Errorf("the queue of %s", c.queue.service)
		}
	}
	c := newSickConsole(t, 80, 24)
	c.sees(" ! trouble  d drain") // while something is wrong
	c.sees("[! 1 enter]", "[! 2 enter]", "[! 5 K kick]")
	c.press("!")
	c.sees("[enter]", "[2 enter]", "[5 K kick]")
	c.press("2 enter")
	c.sees("backend svc8/svc8-a")
	c.press("esc ! 1 enter")
	c.sees("backend svc5/svc5-c", "! DOWN for 26:14", "refused")
	c.press("esc ! 5 K")
	c.sees("s100")
	if c.overlay() == nil {
		t.Error("the hog is not asked about")
	}
	c.press("esc esc ! ! !")
	c.sees(">= 3 svc3")
}

// A snoozed trouble is hidden for an hour, unless it happens again.
func TestSnooze(t *testing.T) {
	c := newSickConsole(t, 80, 24)
	c.press("! n")
	c.sees("snoozed until 15:02: svc5-c DOWN 26m", "+1 snoozed", "DOWN 2")
	c.press("esc")
	c.seesNot(" 1 svc5-c")
	c.engine.change(func(f *fake) { f.status.Services[5].Backends[2].Since = c.now })
	c.pass(time.Second)
	c.sees("svc5-c  DOWN 1s")
	c.press("! n")
	c.pass(2 * time.Hour)
	c.sees("svc5-c  DOWN 2h")
}

// wellFleet is sickFleet without troubles.
func wellFleet() *fake {
	well := sickFleet()
	for i := range well.status.Services {
		s := &well.status.Services[i]
		s.State, s.Pause, s.Hook, s.Queue = proxy.StateOpen, nil, nil, proxy.QueueInfo{}
		for j := range s.Backends {
			s.Backends[j] = well.status.Services[0].Backends[0]
			s.Backends[j].Name = fmt.Sprintf("%s-%c", s.Name, 'a'+j)
		}
	}
	return well
}

// When the last trouble ends, the strip says since when all is well.
func TestAllIsWell(t *testing.T) {
	c := newConsole(t, sickFleet(), 80, 24)
	well := wellFleet()
	c.engine.change(func(f *fake) { well.status.Node.Now = f.status.Node.Now; f.status = well.status })
	c.pass(time.Second)
	c.sees("all well since 14:02", "UP 40/40", " d drain")
	c.seesNot("! trouble  d drain")
	c.press("!")
	c.sees("> all well since 14:02")
	d := newConsole(t, well, 80, 24)
	d.sees("all well since 5 Mar 12:02") // from the last change of a backend
	golden(t, "trouble-none", d)
}

// If there are more troubles than lines, one kind never hides another.
func TestManyTroublesFold(t *testing.T) {
	engine := sickFleet()
	for i := range engine.status.Services[9].Backends {
		engine.status.Services[9].Backends[i].State = proxy.StateDown
		engine.status.Services[9].Backends[i].Eligible = false
	}
	engine.status.Mesh.Peers[0].State, engine.status.Mesh.Peers[0].Cause, engine.status.Mesh.Peers[0].Since = meshinfo.Down, meshinfo.Crashed, start.Add(-time.Minute)
	c := newConsole(t, engine, 80, 24)
	c.sickFirst()
	c.hogFor(14)
	c.sees("6 of them  DOWN     svc9-a, svc9-b", "svc3", "svc6", "HOG", "edge-02    LOST 1m", "DOWN 6  PAUSED 1  HOOK 1  HOG 1  NODE 1")
	c.press("! !")
	if c.queue.service != "svc3" {
		t.Errorf("the second line is of %s", c.queue.service)
	}
}

// The queue is that of the service under the cursor; an explicit choice lasts until the cursor moves.
func TestTheQueueFollowsTheCursor(t *testing.T) {
	c := newConsole(t, sickFleet(), 140, 45)
	shown := func(want string) {
		t.Helper()
		if c.queue.service != want {
			t.Errorf("the queue of %s, not of %s", c.queue.service, want)
		}
	}
	shown("svc3") // paused
	c.engine.change(func(f *fake) { f.status.Services[7].Queue.Waiting = 500 })
	c.pass(time.Second)
	shown("svc3")
	c.engine.change(func(f *fake) { f.status.Services[3].Pause = nil })
	c.pass(time.Second)
	shown("svc7") // the longest
	c.press("j")
	c.look()
	shown("svc0")
	c.press("2 v")
	shown("svc1")
	c.press("1")
	c.look()
	shown("svc1")
	c.press("j")
	c.look()
	shown("svc0")
}

// Details are live, with events, sessions and graph, and stay when their row is gone.
func TestDetailsAreLive(t *testing.T) {
	c := newConsole(t, edge(), 100, 45)
	c.live()
	c.press("j j j enter")
	c.look()
	c.sees("backend db-front/pg-d", "in, 5m", "max ", "events", "14:01:29 ! ", "takes no new sessions: down")
	c.engine.change(func(f *fake) {
		b := &f.status.Services[0].Backends[3]
		b.State, b.Eligible, b.Reason = proxy.StateUp, true, ""
		f.events = append(f.events, proxy.Event{Time: c.now, Kind: proxy.EventBackendUp, Level: proxy.LevelGood, Service: "db-front", Backend: "pg-d", Text: "backend db-front/pg-d is up"})
		f.sessions = append(slices.Clone(f.sessions), proxy.SessionInfo{ID: "s9000", Service: "db-front", Backend: "pg-d", Client: "10.2.0.1:777", Phase: "relay"})
	})
	c.pass(hogEvery)
	c.sees("+ UP for", "takes new sessions", "db-front/pg-d is up", "sessions   10.2.0.1:777")
	c.engine.change(func(f *fake) { f.status.Services[0].Backends = f.status.Services[0].Backends[:3] })
	c.pass(time.Second)
	c.sees("gone: this is what was known last", "backend db-front/pg-d")
}

// Sessions that end move below the live ones, without the cursor.
func TestSessionsKeepLiveOnesOnTop(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.press("4")
	c.look()
	first := c.sessions.table.CurrentID()
	c.engine.change(func(f *fake) {
		f.sessions = slices.Clone(f.sessions)
		i := slices.IndexFunc(f.sessions, func(s proxy.SessionInfo) bool { return s.ID == first })
		f.sessions[i].Ended = &proxy.Record{ID: first, By: proxy.ByClient, Phase: "relay", Served: true, Ended: c.now}
	})
	c.pass(hogEvery)
	if now := c.sessions.table.CurrentID(); now == first || c.sessions.table.Row(0).Ended != nil {
		t.Errorf("the cursor is on %s, which has ended", now)
	}
	c.command("sort idle")
	for i := range c.sessions.table.Len() {
		if i > 0 && c.sessions.table.Row(i-1).Ended != nil && c.sessions.table.Row(i).Ended == nil {
			t.Errorf("an ended session is above a live one")
		}
	}
}

// A certificate is in the strip from 14 days before it expires, more severe afterwards, and leads
// to its service. A renewed one is no longer there.
func TestACertificateNearItsEnd(t *testing.T) {
	c := newSickConsole(t, 80, 24)
	expires := func(in time.Duration) {
		c.engine.change(func(f *fake) {
			f.status.Certificates = []api.CertificateInfo{{Name: "svc7", File: "/etc/tls/desk.pem", NotAfter: c.now.Add(in)}}
		})
		c.pass(time.Second)
	}
	expires(15 * 24 * time.Hour)
	c.seesNot("desk.pem")
	expires(13*24*time.Hour + time.Hour)
	golden(t, "trouble-certificate", c)
	c.sees("svc7    CERT 13d", "expires 22 Mar 15:02: renew desk.pem", "[! 5 enter]", "CERT 1")
	expires(-2 * time.Hour)
	c.sees("svc7    EXPIRED 2h", "clients refuse it since 12:02", "EXPIRED 1")
	c.press("! 3 enter")
	c.sees("service svc7", "/etc/tls/desk.pem, valid until 12:02")
	c.press("esc")
	expires(90 * 24 * time.Hour)
	c.seesNot("EXPIRED")
	c.seesNot("CERT")
}

// Each line of the strip ends with the keys that end the trouble, at 80 columns without their verb,
// and these keys work. If the console may not act, they show the details.
func TestEachLineOfTheStripSaysItsKeys(t *testing.T) {
	c := newSickConsole(t, 140, 45)
	c.sees("[! 1 enter]", "[! 3 P resume]", "[! 4 enter]", "[! 5 K kick]")
	c = newSickConsole(t, 80, 24)
	c.sees("[! 3 P]", "[! 4 enter]")
	c.press("! 3 P")
	c.sees("resume svc3: 12 held, at")
	c.press("esc ! 4 enter")
	c.sees("service svc6", "before_next")

	c = newConsole(t, edge(), 80, 24)
	c.sees("QUEUE 7   oldest 03:12, 00:41/02:00 by 10.2.0.9     [! 2 K]")
	c.press("! 2 K")
	c.sees("kick s4717 10.2.0.9:51344") // the holder of the slot, not the waiter under the cursor
	c.press("y")
	c.did("tcpctl kick s4717")
	c = newConsole(t, edge(), 140, 45)
	c.sees("slot held 00:41/02:00 by 10.2.0.9 s4717", "[! 2 K kick holder]")
	c = newConsole(t, edge(), 140, 45, func(cfg *Config) { cfg.Keys = map[string]string{"kick": "x"} })
	c.sees("[! 2 x kick holder]")
	c = newConsole(t, edge(), 140, 45, func(cfg *Config) { cfg.ReadOnly = true })
	c.sees("[! 2 enter]")

	engine := edge()
	engine.status.Plan = window()
	engine.status.Plan.State = proxy.PlanPaused
	c = newConsole(t, engine, 140, 45)
	c.sees("HELD", "space next]")
}

// With short names, no text of the strip or of the rule above the queue is cut at 80 columns.
func TestTheStripIsNotCutAt80Columns(t *testing.T) {
	for _, c := range []*console{newSickConsole(t, 80, 24), newConsole(t, edge(), 80, 24)} {
		for i, line := range strings.Split(c.screen(), "\n") {
			if (i < 1+c.troubleHeight() || strings.Contains(line, "── 2 Queue")) && strings.ContainsRune(line, c.theme.Glyphs.Ellipsis) {
				t.Errorf("line %d is cut: %s", i, line)
			}
		}
	}
}
