package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/table"
)

// healthy is a console of a node that can spare a backend.
func healthy(t testing.TB, w, h int, change ...func(*Config)) *console {
	engine := edge()
	heal(engine)
	return newConsole(t, engine, w, h, change...)
}

func (c *console) did(want ...string) {
	c.t.Helper()
	var got []string
	for _, r := range c.engine.acts() {
		got = append(got, r.CommandLine())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		c.t.Errorf("done: %q, not %q", got, want)
	}
}

func TestDrainAskReadyUndo(t *testing.T) {
	c := healthy(t, 140, 45)
	c.press("d")
	c.sees("drain db-front/pg-a? [y/N]", "412 live sessions end by themselves", "eligible backends 3/4 -> 2/4", "tcpctl drain db-front/pg-a")
	c.press("y")
	c.did("tcpctl drain db-front/pg-a")
	c.sees("~ asked", "(undo: U)")
	c.pass(time.Second)
	c.sees("412/412 remaining", "~ DRAIN    pg-a")
	c.press("d")
	c.sees("drain of db-front/pg-a already running, 412 remaining")
	c.press("U")
	c.pass(time.Second)
	c.did("tcpctl drain db-front/pg-a", "tcpctl ready db-front/pg-a")
	c.sees("+ UP       pg-a")
	if r := c.engine.acts()[1]; r.Expect == "" {
		t.Error("the undo carries no expected state")
	}
}

func TestEnterAndEscAreNo(t *testing.T) {
	for _, key := range []string{"enter", "esc", "n", "q", "ctrl+c"} {
		c := healthy(t, 100, 30)
		c.press("d " + key)
		c.sees("drain: nothing was done")
		c.did()
	}
}

// Even if rows change order between the key and the answer, the backend that was under the cursor
// at the key is drained.
func TestTheTargetIsFixedWhenTheKeyIsPressed(t *testing.T) {
	c := healthy(t, 100, 30)
	c.press("j k d")
	before := c.screen()
	c.engine.change(func(f *fake) {
		b := f.status.Services[0].Backends
		b[0], b[3] = b[3], b[0]
	})
	c.pass(time.Second)
	if c.screen() == before {
		t.Log("the header's clock still runs")
	}
	c.sees("drain db-front/pg-a?")
	lines := strings.Split(c.screen(), "\n")
	if first := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, " pg-") }); !strings.Contains(lines[first], "pg-a") {
		t.Errorf("the list is not frozen behind the question: %q", lines[first])
	}
	c.press("y")
	c.did("tcpctl drain db-front/pg-a")
	c.pass(time.Second)
	if id := c.backends.table.CurrentID(); id != "db-front/pg-a" {
		t.Errorf("the cursor is on %s", id)
	}
}

func TestATargetThatIsGoneOrChangedIsRefused(t *testing.T) {
	for name, change := range map[string]func(*fake){
		"is gone": func(f *fake) { f.status.Services[0].Backends = f.status.Services[0].Backends[1:] },
		"was changed meanwhile: it is now MAINT": func(f *fake) {
			b := &f.status.Services[0].Backends[0]
			b.Admin, b.Since = proxy.AdminMaint, f.status.Node.Now
		},
	} {
		c := healthy(t, 100, 30)
		c.press("d")
		c.engine.change(change)
		c.pass(time.Second)
		c.press("y")
		c.sees(name)
		c.did()

		// A dialog stays open and shows the refusal.
		c = healthy(t, 100, 30)
		c.press("d tab shift+tab")
		c.engine.change(change)
		c.pass(time.Second)
		c.press("y")
		c.sees("Drain db-front/pg-a ?", name)
		c.did()
	}
}

// While the question was open, the other backends went down: the act would now do more harm, and
// the operator must confirm again, by typing the name.
func TestAnImpactThatGrewIsAskedAgain(t *testing.T) {
	c := healthy(t, 100, 30)
	c.press("d")
	c.engine.change(func(f *fake) {
		for i := 1; i < 4; i++ {
			f.status.Services[0].Backends[i].Eligible = false
		}
	})
	c.pass(time.Second)
	c.press("y")
	c.did()
	c.sees("its impact has grown since you were asked", "no backend would take new clients", "type pg-a")
	c.press("tab tab enter")
	c.write("pg-a")
	c.press("enter")
	c.did("tcpctl drain db-front/pg-a --force")
}

func TestTypedNames(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.press("d")
	c.sees("type pg-a")
	c.press("y y enter") // letters are input here, not keys
	c.did()
	c.sees("type pg-a to confirm")
	c.press("backspace backspace")
	c.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("pg-a"), Paste: true})
	c.press("enter")
	c.did() // pasted, not typed
	c.write("pg-a")
	c.press("enter")
	c.did("tcpctl drain db-front/pg-a --force")
}

// Over a slow line, letters arrive together. A key pressed before a question could be read does not
// answer it.
func TestABurstOfKeys(t *testing.T) {
	burst := func(c *console, s string) { c.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(s)}) }
	c := healthy(t, 100, 30)
	burst(c, "dy")
	c.sees("drain db-front/pg-a? [y/N]")
	c.did()
	burst(c, "y")
	c.did("tcpctl drain db-front/pg-a")
	burst(c, "jj:view office")
	c.press("enter")
	if c.view != "office" {
		t.Errorf("the view is %q", c.view)
	}
	burst(c, "qd")
	c.sees("Leave edge-01 ?")
}

func TestADialogStartsOnCancel(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.press("P enter")
	c.sees("pause: nothing was done")
	c.press("P y")
	c.did("tcpctl pause db-front")
}

// Tab opens the dialog for its options: enter moves from one to the next, and from the last to the
// act's button.
func TestADialogsOptions(t *testing.T) {
	c := healthy(t, 100, 30)
	c.press("d tab")
	c.sees("limit [_      ]", "then ( )abort ( )cut (o)keep", "reason [none")
	c.write("05:00")
	c.press("enter left")
	c.sees("412 live sessions would be cut", "type pg-a", "tcpctl drain db-front/pg-a --limit 5m --then cut --force")
	c.press("enter enter") // over quiet
	c.write("by ana: y or n")
	c.press("enter enter")
	c.write("pg-a")
	c.press("enter")
	c.did("tcpctl drain db-front/pg-a --limit 5m --then cut --reason 'by ana: y or n' --force")

	c = healthy(t, 100, 30)
	c.press("d tab")
	c.write("5m")
	c.press("enter enter enter")
	c.write("new kernel")
	c.press("enter enter") // the last field is the node
	c.did()
	c.press("enter") // on the act's button
	c.did("tcpctl drain db-front/pg-a --limit 5m --reason 'new kernel'")
}

// A dialog shows the value in force for each option that is not given.
func TestADialogShowsDefaults(t *testing.T) {
	c := healthy(t, 100, 30)
	c.press("P")
	c.sees("limit 30s (default), then the pause is given up", "clients are held for 2m at most (default)", "limit [30s    ]", "then (o)abort ( )cut ( )keep", "max [2m     ]")
	for c.overlay().(*dialog).at != 1 {
		c.press("tab")
	}
	c.press("y") // meant as an answer: no duration contains a y
	c.sees("limit takes no y: it is a duration like 90s, 5m or 05:00")
	c.write("5")
	c.sees("is not a duration like 90s, 5m or 05:00") // at once
	c.press("enter")
	if at := c.overlay().(*dialog).at; at != 1 {
		t.Errorf("enter leaves an invalid field, for %d", at)
	}
	c.write("m")
	c.sees("limit 5m, then the pause is given up (default)", "tcpctl pause db-front --limit 5m")
	c.seesNot("is not a duration")
}

// If the screen is too small to show the question, only esc works.
func TestNothingIsConfirmedUnread(t *testing.T) {
	for _, size := range [][2]int{{29, 5}, {20, 3}, {40, 5}, {37, 12}, {30, 6}} {
		for _, act := range []string{"R", "P", "d", "m"} {
			for _, keys := range []string{"y", "tab y", "tab tab y", "tab enter", "enter", "shift+tab enter", "tab tab tab enter"} {
				c := healthy(t, size[0], size[1])
				c.press(act + " " + keys)
				read := c.overlay() == nil || size[1] >= 6 && act != "R" && act != "P"
				if n := len(c.engine.acts()); n > 0 && !read {
					t.Errorf("%v: %s %s does %q", size, act, keys, c.engine.acts()[0].CommandLine())
				}
				c.press("esc esc")
				if c.overlay() != nil {
					t.Errorf("%v: %s %s: esc does not close it", size, act, keys)
				}
			}
		}
	}
	c := healthy(t, 29, 5)
	c.press("R")
	c.sees("no room: esc   restart")
	c = healthy(t, 40, 8)
	c.press("R")
	c.sees("There is no room to show")
	c.press("y")
	c.did()
	c.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	c.sees("Restart db-front/pg-a ?", "Effect")
	c.press("y")
	c.did("tcpctl restart db-front/pg-a")
}

func TestErrorsStayInTheDialog(t *testing.T) {
	c := healthy(t, 100, 30)
	c.engine.refuse = api.Refused("db-front is being reloaded", "try again in a moment")
	c.press("P y")
	c.sees("Pause db-front ?", "db-front is being reloaded (try again in a moment)")
	c.engine.change(func(f *fake) { f.refuse = nil })
	c.press("y")
	if c.overlay() != nil {
		t.Error("the dialog is still open")
	}
	c.pass(time.Second)
	// Without a dialog it is a message, and the row is no longer marked as pending.
	c.engine.change(func(f *fake) { f.refuse = errors.New("lost") })
	c.press("d y")
	c.sees("drain: lost")
	c.seesNot("asked")
}

func TestMarks(t *testing.T) {
	c := healthy(t, 140, 45)
	c.press("space j space")
	c.sees("2 marked")
	c.press("/")
	c.write("pg-a")
	c.press("enter")
	c.sees("2 marked (1 hidden)", "filter: pg-a", "1 of 5")
	c.press("m")
	c.sees("Maint 2 backends ?", "1 marked row hidden by the filter would be acted on too", "type maint 2 backends")
	c.write("maint 2 backends")
	c.press("enter")
	c.did("tcpctl maint db-front/pg-a db-front/pg-c --force")
	c.press("X")
	c.seesNot("marked")
}

// Each backend could be spared, but not all of them.
func TestAllTargetsTogetherAreJudged(t *testing.T) {
	c := healthy(t, 100, 30)
	c.press("A d")
	c.sees("no backend of db-front would take new clients (3 of 4")
	c.sees("type drain 4 backends") // pg-b is already draining
}

func TestMarkRange(t *testing.T) {
	c := healthy(t, 140, 45)
	c.press("space j ctrl+space")
	if n := c.backends.table.Marked(); n != 3 {
		t.Errorf("%d marked, not 3", n)
	}
}

func TestConfirmLevels(t *testing.T) {
	for _, x := range []struct{ confirm, keys, want string }{
		{"default", "u", ""}, {"always", "u", "ready db-front/pg-b? [y/N]"}, {"less", "d", ""},
		{"less", "P", "pause db-front? [y/N]"}, {"default", "w 5 enter", ""}, {"always", "w 5 enter", "weight db-front/pg-b 5? [y/N]"},
	} {
		c := healthy(t, 100, 30, func(cfg *Config) { cfg.Confirm = x.confirm })
		if x.keys[0] != 'd' && x.keys[0] != 'P' {
			c.press("j")
		}
		c.press(x.keys)
		if x.want != "" {
			c.sees(x.want)
			c.did()
		} else if c.overlay() != nil || len(c.engine.acts()) != 1 {
			t.Errorf("%s %s: asks, or does nothing", x.confirm, x.keys)
		}
	}
	c := newConsole(t, edge(), 100, 30, func(cfg *Config) { cfg.Confirm = "less" })
	c.press("d")
	c.sees("type pg-a") // at every level
}

func TestARowThatWentAwayProtectsItsNeighbour(t *testing.T) {
	c := healthy(t, 100, 30)
	c.press("2")
	c.engine.change(func(f *fake) { f.waiters = f.waiters[1:] })
	c.pass(100 * time.Millisecond)
	c.press("K")
	c.sees("the row under the cursor has just gone")
	c.now = c.now.Add(table.Settle)
	c.press("K")
	c.sees("kick s4720 10.2.0.7:39001 waiting for office for 2m57s? [y/N]")
	c.engine.change(func(f *fake) { f.waiters = f.waiters[1:] })
	c.pass(time.Second)
	c.press("y")
	c.sees("session s4720 has ended")
	c.did()
}

func TestStaleAndLiveAgain(t *testing.T) {
	c := healthy(t, 100, 30)
	c.engine.change(func(f *fake) { f.err = errors.New("connection refused") })
	c.now = c.now.Add(8 * time.Second)
	c.look()
	c.send(tickMsg{})
	c.sees("STALE 8s")
	if !strings.Contains(c.View(), "[0;2") {
		t.Error("nothing is dimmed")
	}
	c.press("u")
	c.did()
	c.press("j u") // otherwise ready does not ask
	c.sees("ready db-front/pg-b? [y/N]", "what you see is 8s old")
	c.press("n")
	c.engine.change(func(f *fake) { f.err = nil })
	c.pass(time.Second)
	c.sees("LIVE", "live again after 9s")

	// Another engine at the same address: its event numbers start over.
	c.engine.change(func(f *fake) {
		f.status.Node.Started, f.events = start.Add(time.Minute), f.events[:1]
	})
	c.pass(time.Second)
	c.look()
	c.sees("the engine was restarted")
	c.engine.change(func(f *fake) {
		f.status.Predecessors = []api.PredecessorInfo{{PID: f.status.Node.PID, Active: 2, Waiting: 1}}
		f.status.Node.PID++
	})
	c.pass(time.Second)
	c.sees(fmt.Sprintf("the engine was upgraded: process %d still serves 3 clients", c.stats.status.Predecessors[0].PID))
	if c.stats.journal.seen != 1 {
		t.Errorf("events are read from %d on", c.stats.journal.seen)
	}
}

// The outcome of a plan stays in its pane, even when the engine no longer reports the plan.
func TestThePlanReports(t *testing.T) {
	engine := edge()
	engine.status.Plan = window()
	c := newConsole(t, engine, 140, 45)
	c.engine.change(func(f *fake) {
		f.status.Plan = &proxy.PlanInfo{ID: "w12", Kind: "roll", Service: "db-front", State: "done", Steps: window().Steps}
		f.report = proxy.Report{ID: "w12", Kind: "roll", Service: "db-front", State: "done", Started: start.Add(-time.Minute), Ended: start,
			Numbers: proxy.Numbers{Held: 31, LongestSeconds: 4.5, Abandoned: 2}, Steps: window().Steps}
	})
	c.pass(time.Second)
	c.look()
	c.sees("31 held, longest 4.5s", "2 abandoned", "0 failed", "> roll w12 of db-front done")
	c.engine.change(func(f *fake) { f.status.Plan = nil })
	c.pass(2 * reportStays)
	c.seesNot("31 held, longest 4.5s, p50") // the report has left the screen
	c.press("6")
	c.sees("31 held, longest 4.5s, p50", "tcpctl report w12")
}

func TestThePlanIsSteered(t *testing.T) {
	engine := edge()
	engine.status.Plan = window()
	c := newConsole(t, engine, 140, 45)
	c.press("6")
	c.sees("[>]  3 drain pg-b", "space pause  a abort")
	c.press("n")
	c.sees("the plan is not held; space holds it")
	c.press("space") // at once: pausing a plan must not wait for a confirmation
	c.engine.change(func(f *fake) {
		held := *window()
		held.State = proxy.PlanPaused
		f.status.Plan = &held
	})
	c.pass(time.Second)
	c.sees("HELD after step 3, drain pg-b")
	for _, size := range sizes {
		if shapeOf(size[0], size[1]) == shapeTiny {
			continue
		}
		c.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		c.sees("HELD")
	}
	c.send(tea.WindowSizeMsg{Width: 140, Height: 45})
	c.press("n") // the next step restarts a backend
	c.sees("plan next? [y/N]", "roll of db-front continues: step 4 of 5, restart pg-b")
	c.did("tcpctl plan pause")
	c.press("y a y")
	c.did("tcpctl plan pause", "tcpctl plan next", "tcpctl plan abort")
	c.engine.change(func(f *fake) { f.status.Plan = nil })
	c.pass(time.Second)
	c.press("n")
	c.sees("no plan is under way")
}

func TestLeaving(t *testing.T) {
	quits := func(c *console, keys string) bool {
		for _, k := range strings.Fields(keys) {
			if _, cmd := c.Update(keyMsg(k)); cmd != nil {
				if _, ok := cmd().(tea.QuitMsg); ok {
					return true
				}
			}
		}
		return false
	}
	for keys, want := range map[string]Outcome{"q d": Detach, "ctrl+c d": Detach, "q tab enter": Detach, ": d e t a c h enter": Detach} {
		c := healthy(t, 100, 30)
		if !quits(c, keys) || c.outcome != want {
			t.Errorf("%s: %v, not %v", keys, c.outcome, want)
		}
	}
	for _, keys := range []string{"q", "q s", "q esc", "q enter", "ctrl+c ctrl+c", "ctrl+c ctrl+c ctrl+c", "q n", "esc", "esc esc"} {
		if c := healthy(t, 100, 30); quits(c, keys) {
			t.Errorf("%s leaves", keys)
		}
	}
	c := healthy(t, 100, 30, func(cfg *Config) { cfg.Attached = true })
	if !quits(c, "q") || c.outcome != Detach {
		t.Error("an attached console does not leave at once")
	}
	c = healthy(t, 100, 30)
	c.press("q")
	c.sees("451 sessions and 7 waiting clients")
}

// The end of a drain is shown, in place of the message that said how many sessions remain.
func TestTheEndOfADrainIsShown(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.engine.change(heal)
	c.look()
	c.press("d y")
	c.pass(time.Second)
	c.seesNot("is drained")
	c.engine.change(func(f *fake) {
		b := f.status.Backend("db-front/pg-a")
		b.Active, b.Drain = 0, nil
	})
	c.pass(time.Second)
	c.sees("db-front/pg-a is drained: no sessions remain")
}

// The outcome of an act replaces the message that it was requested, and a passed limit is not
// concealed.
func TestTheEndOfEveryActIsShown(t *testing.T) {
	paused := func(f *fake, state string) *proxy.ServiceInfo {
		s := &f.status.Services[0]
		s.State, s.Pause = state, &proxy.PauseInfo{Owner: "ana@edge-01", By: "pause", Since: f.status.Node.Now, Until: f.status.Node.Now.Add(2 * time.Minute), Held: 3}
		if state == proxy.StatePaused {
			s.Sessions.Active = 0
		}
		return s
	}
	event := func(kind, level, by, text string) func(*fake) {
		return func(f *fake) {
			f.events = append(f.events, proxy.Event{Time: f.status.Node.Now, Kind: kind, Level: level, Service: "db-front", By: by, Text: text})
		}
	}
	for _, x := range []struct {
		name, keys string
		steps      []func(*fake)
		want       []string // after each step
	}{
		{"a pause that is given up", "P y", []func(*fake){
			func(f *fake) { paused(f, proxy.StatePausing) },
			func(f *fake) {
				f.status.Services[0].State, f.status.Services[0].Pause = proxy.StateOpen, nil
				event("service", proxy.LevelWarn, "ana@edge-01", "pause of db-front given up at its limit: 412 sessions still live")(f)
			},
		}, []string{"> pause db-front: done", "> pause of db-front given up at its limit: 412 sessions still live"}},
		{"a pause that reaches its deadline", "P y", []func(*fake){
			func(f *fake) { paused(f, proxy.StatePausing) },
			func(f *fake) { paused(f, proxy.StatePaused) },
			func(f *fake) {
				f.status.Services[0].State, f.status.Services[0].Pause = proxy.StateOpen, nil
				event("service", proxy.LevelWarn, "ana@edge-01", "pause of db-front reached its deadline: resuming")(f)
			},
		}, []string{"> pause db-front: done", "> db-front is paused, no session is live, until 14:0", "> pause of db-front reached its deadline: resuming"}},
		{"a pause that another one ends", "P y", []func(*fake){
			func(f *fake) { paused(f, proxy.StatePaused) },
			func(f *fake) {
				f.status.Services[0].State, f.status.Services[0].Pause = proxy.StateOpen, nil
				event("operator", proxy.LevelInfo, "bob@edge-01", "resume db-front: 3 clients held")(f)
			},
		}, []string{"> db-front is paused, no session is live, until 14:0", "> bob: resume db-front: 3 clients held"}},
		{"a drain that is given up without an event", "d y", []func(*fake){
			func(f *fake) {},
			func(f *fake) {
				b := f.status.Backend("db-front/pg-a")
				b.Admin, b.Drain = proxy.AdminReady, nil
			},
			func(f *fake) {},
		}, []string{"> drain db-front/pg-a: done", "", "> db-front/pg-a is ready again: the drain was ended before it was done"}},
		{"a ready that takes its time", "j u", []func(*fake){
			func(f *fake) { f.status.Backend("db-front/pg-b").State = proxy.StateChecking },
			func(f *fake) { f.status.Backend("db-front/pg-b").State = proxy.StateUp },
		}, []string{"> ready db-front/pg-b: done", "> db-front/pg-b is up"}},
	} {
		c := healthy(t, 100, 30)
		c.engine.change(func(f *fake) { f.status.Backend("db-front/pg-b").State = proxy.StateChecking })
		c.look()
		c.press(x.keys)
		for i, step := range x.steps {
			c.engine.change(step)
			c.pass(time.Second)
			c.look()
			if want := x.want[i]; !strings.Contains(c.screen(), want) {
				t.Errorf("%s, step %d: not on the screen: %q\n%s", x.name, i, want, c.screen())
			}
		}
	}
}

// The dialog names the client that is kicked: the session's id alone says nothing.
func TestAKickNamesTheClient(t *testing.T) {
	c := healthy(t, 100, 30)
	c.press("4 K")
	for !strings.Contains(c.screen(), "kick s4702") {
		c.press("n j K")
	}
	c.sees("kick s4702 10.2.0.31:40002 on db-front/pg-a, 1h2m old, 0/s? [y/N]", "its client sees a reset")
	c.press("y")
	c.did("tcpctl kick s4702")
	c.press("n g j space space K")
	c.sees("Kick 2 sessions ?", "s4699 10.2.0.30:51870 on db-front/pg-b", "s4695 198.51.100.7:61388 on desk/vnc", "their clients see a reset")
}

// A resume asks for the rate: to admit all at once must be the operator's choice.
func TestResumeAsksForTheRate(t *testing.T) {
	pausedFront := func() *console {
		c := healthy(t, 80, 24)
		c.engine.change(func(f *fake) {
			s := &f.status.Services[0]
			s.State, s.Pause = proxy.StatePaused, &proxy.PauseInfo{Owner: "ana@edge-01", Since: start, Until: start.Add(time.Minute), Held: 4}
		})
		c.pass(time.Second)
		return c
	}
	c := pausedFront()
	c.press("P")
	c.sees("resume db-front: 4 held, at [all at once] /s?")
	c.did()
	c.write("x")
	c.sees(`--rate "x" is not a rate`)
	c.press("enter")
	c.did()
	c.press("backspace")
	c.write("50")
	c.sees("resume db-front: 4 held, at 50")
	c.press("enter")
	c.did("tcpctl resume db-front --rate 50/s")
	c = pausedFront()
	c.press("P enter")
	c.did("tcpctl resume db-front")
	c = pausedFront()
	c.press("P esc")
	c.did()
	c.engine.change(func(f *fake) { f.status.Services[0].PauseDefaults.Rate = 20 })
	c.pass(time.Second)
	c.press("P")
	c.sees("at [20/s] /s?")
}

// With clients connected, a stop must be confirmed by typing the name, and shows how many remain
// until the end.
func TestAStopIsTyped(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press("q s")
	c.sees("Stop edge-01 ?", "451 sessions and 7 waiting clients get 30s (default)", "then they are reset", "type edge-01")
	c.press("y enter")
	c.did()
	c.press("backspace")
	c.write("edge-01")
	c.press("enter")
	c.did("tcpctl stop")
	c.engine.change(func(f *fake) { f.status.Services[0].Sessions.Active, f.status.Services[1].Queue.Waiting = 12, 0 })
	c.pass(time.Second)
	c.sees("> stopping: 13 sessions and 0 waiters remain, 30s at most")
	if c.outcome != Ended {
		t.Error("the console has left before the end")
	}

	quiet := edge()
	for i := range quiet.status.Services {
		quiet.status.Services[i].Sessions.Active, quiet.status.Services[i].Queue.Waiting = 0, 0
	}
	c = newConsole(t, quiet, 80, 24)
	c.press("q s y") // without clients, the dialog asks for no name
	c.did("tcpctl stop")
}

// Pressing the digit of the focused pane does not narrow what it shows.
func TestADigitNeverNarrows(t *testing.T) {
	c := healthy(t, 100, 30)
	for range 4 {
		c.press("1 4")
	}
	c.press("4 4 1 1 1")
	if c.view != "" || c.sessions.show != 0 {
		t.Errorf("the view is %q, the sessions' %d", c.view, c.sessions.show)
	}
	c.press("v")
	c.sees("[1 Backends 4 of 5]", "view: db-front")
	c.press("v")
	c.sees("[1 Backends 5]")
	c.press("v esc")
	if c.view != "" {
		t.Error("esc does not leave the view")
	}
}

// While the engine carries out an act, the dialog shows a spinner.
func TestADialogSpinsWhileItAsks(t *testing.T) {
	c := healthy(t, 80, 24)
	c.press("P")
	d := c.overlay().(*dialog)
	d.busy = true
	c.changed()
	before := c.screen()
	c.now = c.now.Add(tickUsual)
	_, _ = c.Update(tickMsg{})
	if after := c.screen(); after == before || !strings.Contains(after, "asking the engine to pause") {
		t.Errorf("the spinner does not move:\n%s", after)
	}
}
