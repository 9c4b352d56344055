package tui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// pastEngine is an engine with a history of an hour, in which pg-a was down for five minutes, from
// 26 minutes ago.
type pastEngine struct {
	*fake
	down, up time.Time
	err      error
	also     func(*api.Moment) // adds to a moment; nil: nothing
}

func newPastEngine() *pastEngine {
	return &pastEngine{fake: edge(), down: start.Add(-26*time.Minute - 6*time.Second), up: start.Add(-21 * time.Minute)}
}

func (r *pastEngine) isDown(at time.Time) bool { return !at.Before(r.down) && at.Before(r.up) }

func (r *pastEngine) Remembered(context.Context) (api.HistoryInfo, error) {
	return api.HistoryInfo{File: "memory", Oldest: start.Add(-time.Hour)}, r.err
}

func (r *pastEngine) Timeline(_ context.Context, q api.TimelineQuery) (list []proxy.Event, err error) {
	all := []proxy.Event{
		{Time: start.Add(-40 * time.Minute), Kind: proxy.EventMark, Level: proxy.LevelInfo, By: "ana@edge-01", Text: "OPS-77"},
		{Time: r.down.Add(-8 * time.Second), Kind: proxy.EventOperator, Level: proxy.LevelInfo, Service: "db-front", Backend: "pg-a", By: "ana@edge-01", Text: "weight db-front/pg-a 9, was 1", Command: "tcpctl weight db-front/pg-a 9"},
		{Time: r.down, Kind: proxy.EventBackendDown, Level: proxy.LevelAlarm, Service: "db-front", Backend: "pg-a", Text: "backend db-front/pg-a is down: timeout (3 of 3 checks failed)"},
		{Time: r.up, Kind: proxy.EventBackendUp, Level: proxy.LevelGood, Service: "db-front", Backend: "pg-a", Text: "backend db-front/pg-a is up"},
	}
	for _, ev := range all {
		if !ev.Time.Before(q.Since) && ev.Time.Before(q.Until) {
			list = append(list, ev)
		}
	}
	return list, r.err
}

func (r *pastEngine) Moment(ctx context.Context, at time.Time) (*api.Moment, error) {
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	r.fake.count("moment")
	m := &api.Moment{At: at.Truncate(time.Second).Add(time.Second), StepSeconds: 1, Status: r.fake.copy(), Before: r.fake.copy()}
	m.Status.Mesh, m.Before.Mesh = nil, nil
	m.Status.Node.Now, m.Before.Node.Now = m.At, m.At.Add(-time.Second)
	heal := &fake{status: *m.Status}
	healAll(heal)
	b := &m.Status.Services[0].Backends[0]
	b.Active = 212
	if r.isDown(at) {
		b.State, b.Eligible, b.Reason, b.Active = proxy.StateDown, false, "down", 0
	}
	m.Changed, _ = r.Timeline(ctx, api.TimelineQuery{Stretch: api.Stretch{Since: at.Add(-api.Around), Until: at.Add(api.Around)}})
	if r.also != nil {
		r.also(m)
	}
	return m, r.err
}

func healAll(f *fake) {
	heal(f)
	b := &f.status.Services[0].Backends[1]
	b.Admin, b.Drain = proxy.AdminReady, nil
}

func (r *pastEngine) Series(_ context.Context, q api.SeriesQuery) (list []api.Series, err error) {
	step := max(q.Until.Sub(q.Since)/time.Duration(max(q.Points, 1)), time.Second).Truncate(time.Second)
	for _, s := range r.fake.copy().Services {
		one := api.Series{Service: s.Name, StepSeconds: step.Seconds()}
		for at := q.Since.Truncate(step); at.Before(q.Until); at = at.Add(step) {
			p := api.Point{At: at, State: proxy.StateOpen, Active: 40, BytesIn: 1 << 20, New: 3}
			if r.isDown(at) {
				p.Active = 8
			}
			one.Points = append(one.Points, p)
		}
		list = append(list, one)
		for i, b := range s.Backends {
			if !q.Backends {
				break
			}
			back := api.Series{Service: s.Name, Backend: b.Name, StepSeconds: step.Seconds()}
			for j, p := range one.Points {
				p.State = proxy.StateUp
				if i == 0 {
					p.LatencySeconds = 0.0001 * float64(1+j*j/10)
				}
				if r.isDown(p.At) && b.Name == "pg-a" {
					p.State = proxy.StateDown
				}
				back.Points = append(back.Points, p)
			}
			list = append(list, back)
		}
	}
	return list, r.err
}

func (r *pastEngine) Top(_ context.Context, q api.TopQuery) (*api.Top, error) {
	return &api.Top{Since: q.Since, Until: q.Until, By: q.By, Group: q.Group,
		Rows:   []api.Talker{{Name: "10.2.0.44", BytesIn: 400 << 20, Sessions: 41, WaitingSeconds: 70, Share: 0.71}, {Name: "10.2.0.9", BytesIn: 60 << 20, Sessions: 5, Share: 0.11}},
		Others: api.Talker{BytesIn: 70 << 20, Share: 0.18}}, r.err
}

func (r *pastEngine) Incident(ctx context.Context, q api.Stretch) (*api.Incident, error) {
	acts, _ := r.Timeline(ctx, api.TimelineQuery{Stretch: q})
	acts = slices.DeleteFunc(acts, func(e proxy.Event) bool { return e.Kind != proxy.EventOperator })
	return &api.Incident{Node: "edge-01", Since: q.Since, Until: q.Until, Impact: api.Impacts{Clients: 4711, Served: 4700, Failed: 11}, Acts: acts,
		Outages: []api.Outage{{Target: "db-front/pg-a", State: "down", Detail: "timeout", Since: r.down, Until: r.up, Seconds: r.up.Sub(r.down).Seconds()}}}, r.err
}

var _ api.Historian = (*pastEngine)(nil)

// rewinding is a console of an engine with a history.
func rewinding(t *testing.T, w, h int) (*console, *pastEngine) {
	t.Helper()
	r := newPastEngine()
	return newConsole(t, r.fake, w, h, func(c *Config) { c.Source = r }), r
}

func TestRewindShowsAMomentAsItWas(t *testing.T) {
	c, r := rewinding(t, 100, 30)
	c.press("[ {") // to the newest mark: pg-a went down
	c.sees("REWIND 13:36:06", "(-00:26:05)", "acts are off", "what changed within 10 s", "weight db-front/pg-a 9", "NOW", "not")
	if b := c.stats.status.Backend("db-front/pg-a"); b.State != proxy.StateDown {
		t.Error("pg-a is", b.State)
	}
	c.press("j d")
	c.sees("this is the past, acts are")
	c.press(":")
	c.write("drain db-front/pg-a")
	c.press("enter")
	if len(r.fake.acts()) > 0 || len(c.over) > 0 {
		t.Error("an act was done, or asked about, in the past")
	}
	c.press("n {")
	c.sees("REWIND 13:35:58")
	c.press("{ {") // the note is older than the half hour of the timeline
	c.sees("REWIND 13:22:12")
	c.press("} }")
	if !r.isDown(c.past.at) {
		t.Error("} has not come back to the outage:", c.past.at)
	}
	c.press("0")
	c.sees("LIVE 14:02:11")
	if c.past != nil || c.stats.status.Backend("db-front/pg-a").Active != 412 {
		t.Error("now is not shown as it is")
	}
	c.press("[")
	c.press("esc")
	c.sees("LIVE")
}

// TestRewindShowsWaitersPeersAndPlan: these panes, too, show the moment, with the totals where not
// all are recorded.
func TestRewindShowsWaitersPeersAndPlan(t *testing.T) {
	c, r := rewinding(t, 200, 60)
	mesh := *r.fake.status.Mesh
	plan := window()
	r.also = func(m *api.Moment) {
		office := m.Status.Service("office")
		office.Queue.Waiting, office.Lock.Holders[0].HeldSeconds = 40, 77
		if !r.isDown(m.At) {
			return
		}
		m.Waiters = map[string][]proxy.WaiterInfo{"office": {{ID: "s31", Position: 1, Client: "10.2.0.77:40112", WaitedSeconds: 65, State: proxy.WaiterNext, Reason: "slots"}}}
		m.Status.Mesh, m.Status.Plan, m.PeersBeyond = &mesh, plan, 5
		if m.At.After(r.down.Add(time.Minute)) {
			ended := *plan
			ended.State, m.Status.Plan = proxy.PlanDone, &ended
			m.Report = &proxy.Report{ID: plan.ID, State: proxy.PlanDone, Started: r.down, Ended: r.down.Add(time.Minute), Numbers: proxy.Numbers{Held: 17}}
		}
	}
	c.press("[ {")
	c.sees("40 waited, 1 recorded", "10.2.0.77:40112", "1/1 slots", "10.2.0.9:51344", "held 01:17", "edge-02", "edge-03", "5 more nodes, which are not recorded", "drain pg-b", "running 02:13")
	c.seesNot("10.2.0.4:40112")
	if len(r.fake.acts()) > 0 {
		t.Error("something was done")
	}
	c.write(":rewind " + r.down.Add(70*time.Second).Format(time.TimeOnly))
	c.press("enter")
	c.sees("17 held", "tcpctl report "+plan.ID)
	c.write(":rewind " + r.down.Add(-time.Minute).Format(time.TimeOnly))
	c.press("enter")
	c.sees("40 waited, 0 recorded", "This node was in no mesh")
	for _, gone := range []string{"10.2.0.77:40112", "drain pg-b", "edge-02"} {
		c.seesNot(gone)
	}
	c.press("0")
	c.sees("10.2.0.4:40112", "edge-02")
}

// TestRewindOfAnotherNode: answers of the console's own node meanwhile replace neither the moment
// nor its nodes.
func TestRewindOfAnotherNode(t *testing.T) {
	home, there := edge(), newPastEngine()
	there.also = func(m *api.Moment) {
		m.Status.Mesh = &api.Mesh{Name: "lab", Node: "edge-02", Secret: true, Peers: []api.Peer{{Peer: meshinfo.Peer{ID: "9", Name: "edge-09", State: meshinfo.Down, Cause: meshinfo.Crashed}}}}
	}
	c := newConsole(t, home, 200, 60, func(cfg *Config) { cfg.Peer = func(string) api.Source { return there } })
	c.press("3 j enter")
	c.sees("edge-01 > edge-02")
	c.look()
	c.press("[ {")
	c.sees("REWIND 13:36:06", "edge-09")
	home.change(func(f *fake) { f.status.Node.Now = f.status.Node.Now.Add(time.Second) })
	c.pass(time.Second)
	c.look()
	c.sees("REWIND 13:36:06", "edge-09")
	if b := c.stats.status.Backend("db-front/pg-a"); b == nil || b.State != proxy.StateDown {
		t.Errorf("%+v", b)
	}
	c.press("0")
	c.sees("edge-01 > edge-02", "edge-03")
	c.seesNot("edge-09")
}

func TestRewindAsksNothingByItself(t *testing.T) {
	c, r := rewinding(t, 140, 45)
	c.look()
	r.fake.change(func(f *fake) { clear(f.asked) })
	c.look()
	if n := r.fake.asked["moment"]; n > 0 {
		t.Error(n, "moments were asked for by a console that shows now")
	}
	c.press("[")
	r.fake.change(func(f *fake) { clear(f.asked) })
	c.look()
	for _, what := range []string{"moment", "events", "queue", "sessions"} {
		if n := r.fake.asked[what]; n > 0 {
			t.Errorf("%s were asked for %d times in the past", what, n)
		}
	}
}

func TestRewindPlays(t *testing.T) {
	c, _ := rewinding(t, 100, 30)
	c.write(":rewind 13:30:00")
	c.press("enter")
	c.sees("REWIND 13:30:00")
	c.Update(keyMsg("space")) // the returned tick is not run
	c.sees("PLAY 10x")
	_, cmd := c.Update(playMsg{c.past})
	c.carry(cmd().(tea.BatchMsg)[1])
	c.sees("REWIND 13:30:05")
	c.press("space")
	c.seesNot("PLAY")
	c.send(playMsg{c.past})
	c.sees("REWIND 13:30:05")
}

func TestWithoutAHistory(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	for _, keys := range []string{"[", "{", "<"} {
		c.press(keys)
		c.sees("keeps no history")
		c.press("n")
	}
	d, r := rewinding(t, 100, 30)
	r.err = errors.New("no history is kept: [history] file is off")
	d.press("[")
	d.sees("no history is kept", "LIVE")
}

func TestIncidentReport(t *testing.T) {
	c, r := rewinding(t, 100, 30)
	c.write(":report 13:30..now")
	c.press("enter")
	c.sees("incident 2026-03-09 13:30:00", "db-front/pg-a")
	name := filepath.Join(t.TempDir(), "x.html")
	if err := writeIncident(name, c.overlay().(*incidentBox).incident, time.UTC); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(name); !strings.Contains(string(text), "<html") || !strings.Contains(string(text), "pg-a") {
		t.Errorf("%.200s", text)
	}
	if err := writeIncident(name, &api.Incident{}, time.UTC); !errors.Is(err, os.ErrExist) {
		t.Error("a file that was there:", err)
	}
	c.press("esc [ { e")
	c.sees("incident 2026-03-09 13:32:11")
	t.Chdir(t.TempDir())
	c.press("w enter")
	c.sees("written to tcpctl-edge-01-20260309-133211.html")
	c.press("esc 0")
	c.write(":history")
	c.press("enter")
	c.sees("OPS-77")
	c.press("esc")
	_ = r
}

func TestHeatAndTalkers(t *testing.T) {
	c, _ := rewinding(t, 140, 45)
	c.write("H")
	c.sees("latency, 10 s a cell", "who talks", "by client, bytes in 5m", "10.2.0.44", "71%")
	c.press("b c")
	c.sees("by /24, sessions in 5m")
	c.write(":top db-front")
	c.press("enter")
	c.sees("who talks")
	c.press("esc H")
	c.seesNot("who talks")
}

func TestRewindScreens(t *testing.T) {
	for _, s := range []struct {
		name string
		w, h int
		keys string
	}{
		{"rewind-80x24", 80, 24, "[ {"}, {"rewind-140x45", 140, 45, "[ {"}, {"rewind-29x5", 29, 5, "[ {"}, {"rewind-40x10", 40, 10, "[ {"},
		{"heat-80x24", 80, 24, "H"}, {"heat-140x45", 140, 45, "H"}, {"heat-rewind", 140, 45, "[ { H"},
	} {
		t.Run(s.name, func(t *testing.T) {
			c, _ := rewinding(t, s.w, s.h)
			c.press(s.keys)
			c.screen()
			c.look()
			golden(t, s.name, c)
		})
	}
}
