package history

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

var ctx = context.Background()

// TestAnIncidentIsRecorded: a backend goes down under load and is drained, the service is paused,
// and an operator makes a note. Each moment, and the report, show this: from a file, from memory,
// and after a restart.
func TestAnIncidentIsRecorded(t *testing.T) {
	t.Parallel()
	for _, file := range []string{tempFile(t), Memory} {
		t.Run(fmt.Sprint(file == Memory), func(t *testing.T) {
			e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a", "b")}}
			tp := newTape(t, file, e)
			for n := range 120 {
				tp.second(func(e *engine) {
					s := &e.services[0]
					s.Sessions.Active = 10
					grow(s, 5, 0, 0)
					a := &s.Backends[0]
					switch n {
					case 40:
						a.State, a.Eligible, a.Reason, a.Since = proxy.StateDown, false, "down", e.now.Add(300*time.Millisecond)
						a.Check = &proxy.CheckInfo{Detail: "connection refused", Consecutive: 3, Threshold: 3}
						e.Note(proxy.Event{Kind: proxy.EventBackendDown, Level: proxy.LevelAlarm, Service: "db", Backend: "a", Text: "backend db/a is down"})
						grow(s, 3, 2, 1)
					case 60:
						a.State, a.Eligible, a.Reason, a.Since = proxy.StateUp, true, "", e.now.Add(500*time.Millisecond)
						a.Check = &proxy.CheckInfo{OK: true, Threshold: 3}
					case 70:
						s.State, s.Pause = proxy.StatePaused, &proxy.PauseInfo{Owner: "ana@edge-01", By: "pause", Reason: "OPS-77", Since: e.now}
						s.Queue.Waiting, s.Queue.OldestSeconds = 4, 0.5
						e.Note(proxy.Event{Kind: proxy.EventOperator, By: "ana@edge-01", Service: "db", Text: "pause db", Command: "tcpctl pause db"})
					case 80:
						s.State, s.Pause, s.Queue.Waiting, s.Queue.OldestSeconds = proxy.StateOpen, nil, 0, 0
						s.Queue.Granted += 4
						e.Note(proxy.Event{Kind: proxy.EventMark, By: "ana@edge-01", Text: "OPS-77 done"})
					}
				})
			}
			tp.flush()
			look := func(r *Recorder) {
				t.Helper()
				m := must(r.Moment(ctx, at(50)))(t)
				if b := m.Status.Backend("db/a"); b == nil || b.State != proxy.StateDown || b.Check.Detail != "connection refused" || m.StepSeconds != 1 {
					t.Errorf("at 50: %+v, step %v", b, m.StepSeconds)
				}
				if s := m.Status.Service("db"); s.Sessions.Active != 10 || s.Sessions.Total != 5 || m.Before.Service("db").Sessions.Total != 0 {
					t.Errorf("at 50: %+v", s.Sessions)
				}
				m = must(r.Moment(ctx, at(41)))(t)
				if len(m.Changed) != 1 || m.Changed[0].Backend != "a" {
					t.Errorf("around 41: %+v", m.Changed)
				}
				if b := must(r.Moment(ctx, at(39)))(t).Status.Backend("db/a"); b.State != proxy.StateUp {
					t.Errorf("at 39 it is %s", b.State)
				}
				if s := must(r.Moment(ctx, at(75)))(t).Status.Service("db"); s.Pause == nil || s.Pause.Held != 4 || s.Pause.Reason != "OPS-77" {
					t.Errorf("at 75: %+v", s.Pause)
				}
				i := must(r.Incident(ctx, api.Stretch{Since: at(0), Until: at(120)}))(t)
				if got, want := i.Impact, (api.Impacts{Clients: 603, Served: 600, Failed: 1, Rejected: 2, Held: 4, LongestWait: 0.5, BytesIn: 60000, BytesOut: 600000, PeakActive: 10, PeakWaiting: 4}); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
				if len(i.Outages) != 2 || i.Outages[0].Target != "db/a" || math.Abs(i.Outages[0].Seconds-20.2) > 0.01 || i.Outages[0].Detail != "connection refused" ||
					i.Outages[1].State != proxy.StatePaused || math.Abs(i.Outages[1].Seconds-11) > 0.01 || i.Outages[1].Detail != "pause of ana@edge-01: OPS-77" {
					t.Errorf("%+v", i.Outages)
				}
				if len(i.Acts) != 1 || i.Acts[0].Command != "tcpctl pause db" || len(i.Marks) != 1 || len(i.Events) != 1 {
					t.Errorf("%+v %+v %+v", i.Acts, i.Marks, i.Events)
				}
				// For a part of the period, the counts of that part.
				part := must(r.Incident(ctx, api.Stretch{Since: at(45), Until: at(65), Service: "db"}))(t)
				if part.Impact.Clients != 100 || len(part.Outages) != 1 || !part.Outages[0].Before || part.Outages[0].Since.UnixMilli() != at(40).UnixMilli()+300 {
					t.Errorf("%+v, %+v", part.Impact, part.Outages)
				}
				all := must(r.Series(ctx, api.SeriesQuery{Stretch: api.Stretch{Since: at(0), Until: at(120)}, Backends: true, Points: 12}))(t)
				if len(all) != 3 || all[0].Backend != "" || all[1].Backend != "a" || all[0].StepSeconds != 10 || len(all[0].Points) != 12 {
					t.Fatalf("%d series, %+v", len(all), all[0])
				}
				if p := all[0].Points[4]; p.New != 53 || p.Rejected != 2 || math.Abs(p.LatencySeconds-0.002) > 1e-9 {
					t.Errorf("%+v", p)
				}
				if p := all[1].Points[5]; p.State != proxy.StateDown {
					t.Errorf("%+v", p)
				}
				if got := must(r.Timeline(ctx, api.TimelineQuery{Stretch: api.Stretch{Since: at(0)}, By: "ana"}))(t); len(got) != 2 {
					t.Errorf("%+v", got)
				}
				if got := must(r.Timeline(ctx, api.TimelineQuery{Stretch: api.Stretch{Since: at(0)}, Kind: "backend"}))(t); len(got) != 1 {
					t.Errorf("%+v", got)
				}
			}
			look(tp.Recorder)
			if file == Memory {
				return
			}
			tp.end()
			// The next process: numbers continue, the past is still there, and the time between is a gap.
			e2 := &engine{now: at(150), services: []proxy.ServiceInfo{service("db", "a")}}
			next := newTape(t, file, e2)
			if p := next.Past(); p.LastEvent != 3 || len(p.Events) != 3 {
				t.Errorf("past: %+v", p)
			}
			next.second(func(e *engine) { grow(&e.services[0], 7, 0, 0) })
			next.flush()
			look(next.Recorder)
			i := must(next.Incident(ctx, api.Stretch{Since: at(100), Until: at(160)}))(t)
			if len(i.Gaps) != 1 || i.Gaps[0].Reason != "tcpctl was not running" || !i.Gaps[0].Since.Equal(at(120)) || i.Impact.Clients != 107 {
				t.Errorf("%+v, %+v", i.Gaps, i.Impact)
			}
			if m := must(next.Moment(ctx, at(130)))(t); m.Missing != "tcpctl was not running" {
				t.Errorf("missing %q", m.Missing)
			}
			if m := must(next.Moment(ctx, at(151)))(t); m.Status.Backend("db/b") != nil || m.Status.Backend("db/a") == nil {
				t.Error("a backend that the file no longer has is shown")
			}
		})
	}
}

// TestWhatAReloadHasReplaced: a service and a backend that are being removed next to successors of
// the same name are one line of history, and their being closed is no outage.
func TestWhatAReloadHasReplaced(t *testing.T) {
	t.Parallel()
	e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a"), service("web", "a")}}
	for i := range e.services {
		e.services[i].Sessions.Active, e.services[i].Backends[0].Active = 2, 2
	}
	tp := newTape(t, Memory, e)
	for n := range 20 {
		tp.second(func(e *engine) {
			switch n {
			case 5: // db is removed, and web's backend
				db, web := &e.services[0], &e.services[1]
				db.Removing, db.State, db.Listen = true, proxy.StateClosed, nil
				web.Backends[0].Removing, web.Backends[0].Eligible = true, false
				web.Backends = append(web.Backends, service("", "a").Backends[0])
			case 10:
				e.services = append([]proxy.ServiceInfo{service("db", "a")}, e.services...)
				e.services[0].Sessions.Active = 1
			}
		})
	}
	tp.flush()
	for second, active := range map[int]int{8: 2, 15: 3} {
		m := must(tp.Moment(ctx, at(second)))(t)
		if db, web := m.Status.Service("db"), m.Status.Service("web"); db.Sessions.Active != active || web.Sessions.Active != 2 || db.Removing != (second == 8) ||
			len(web.Backends) != 1 || web.Backends[0].Active != 2 || web.Backends[0].Admin != proxy.AdminReady {
			t.Errorf("at %d: %+v %+v", second, db, web)
		}
	}
	if i := must(tp.Incident(ctx, api.Stretch{Since: at(0), Until: at(20)}))(t); len(i.Outages) > 0 {
		t.Errorf("%+v", i.Outages)
	}
}

// TestNoBackendServes: one that is being removed takes no client, and a service that is removed has no outage.
func TestNoBackendServes(t *testing.T) {
	s := service("db", "a", "b")
	removed, down := &s.Backends[0], &s.Backends[1]
	removed.Removing, removed.Eligible = true, false
	down.State, down.Eligible = proxy.StateDown, false
	if word := wordOf(serviceStates, serviceState(&s)); word != api.StateNoBackend {
		t.Errorf("%s", word)
	}
	s.Removing, s.State = true, proxy.StateClosed
	if word := wordOf(serviceStates, serviceState(&s)); word != proxy.StateOpen {
		t.Errorf("removed: %s", word)
	}
}

// TestNothingIsCountedTwiceOrLost: for any period, and from whatever steps it is read, the sum is
// right.
func TestNothingIsCountedTwiceOrLost(t *testing.T) {
	t.Parallel()
	e := &engine{now: at(3480), services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, tempFile(t), e)
	const seconds = 800 // across the end of an hour, and longer than seconds are kept
	for range seconds {
		tp.second(func(e *engine) { grow(&e.services[0], 1, 0, 0) })
	}
	tp.flush()
	sum := func(from, to int) int64 {
		return must(tp.Incident(ctx, api.Stretch{Since: at(from), Until: at(to)}))(t).Impact.Clients
	}
	if n := sum(0, 10000); n != seconds {
		t.Errorf("all: %d", n)
	}
	for _, c := range [][2]int{{3480, 4280}, {3600, 4200}, {3590, 3610}, {3490, 4270}, {4230, 4273}, {3540, 3600}} {
		want := int64(min(c[1], 4280) - max(c[0], 3480))
		if n := sum(c[0], c[1]); n != want {
			t.Errorf("%v: %d, want %d", c, n, want)
		}
	}
	for points := 1; points < 500; points = points*3/2 + 1 {
		var n int64
		for _, p := range must(tp.Series(ctx, api.SeriesQuery{Stretch: api.Stretch{Since: at(3480), Until: at(4280)}, Points: points}))(t)[0].Points {
			n += p.New
		}
		if n != seconds {
			t.Errorf("%d points: %d", points, n)
		}
	}
}

// TestASecondWithoutASnapshot: it looks like the one before, and the next one has the counts of
// both.
func TestASecondWithoutASnapshot(t *testing.T) {
	t.Parallel()
	e := &engine{now: at(0), services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, tempFile(t), e)
	for n := range 4 {
		tp.second(func(e *engine) {
			grow(&e.services[0], 5, 0, 0)
			e.services[0].Sessions.Active, e.services[0].Queue.Waiting = n+1, 20+n
			if n == 2 {
				e.now = e.now.Add(time.Second)
			}
		})
	}
	tp.flush()
	for second, want := range []struct {
		end     int
		seconds float64
		waiting int
	}{{1, 1, 20}, {2, 1, 21}, {2, 1, 21}, {4, 2, 22}, {5, 1, 23}} {
		m := must(tp.Moment(ctx, at(second).Add(time.Second/2)))(t)
		s := m.Status.Service("db")
		if !m.At.Equal(at(want.end)) || m.StepSeconds != want.seconds || m.Missing != "" || s.Queue.Waiting != want.waiting || s.Sessions.Total != 5 ||
			m.At.Sub(m.Before.Node.Now).Seconds() != want.seconds {
			t.Errorf("second %d: at %v, %v s, %q, %+v", second, m.At.Sub(at(0)), m.StepSeconds, m.Missing, s)
		}
	}
}

// TestSeriesBeginWithTheRecording: they have nothing before it, although the first minute is also
// stored as a whole one.
func TestSeriesBeginWithTheRecording(t *testing.T) {
	t.Parallel()
	e := &engine{now: at(3052), services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, tempFile(t), e)
	for range 130 {
		tp.second(func(e *engine) { grow(&e.services[0], 1, 0, 0) })
	}
	tp.flush()
	n := int64(0)
	for _, p := range must(tp.Series(ctx, api.SeriesQuery{Stretch: api.Stretch{Since: at(2900), Until: at(3182)}}))(t)[0].Points {
		if n += p.New; p.At.Before(at(3052)) || p.New > 1 {
			t.Errorf("%s: %d", p.At.Sub(at(3052)), p.New)
		}
	}
	if n != 130 {
		t.Errorf("%d clients in all", n)
	}
}

// TestAClockThatIsSetBack: steps that are overwritten are lost, but no counts.
func TestAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	e := &engine{now: at(1000), services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, tempFile(t), e)
	one := func(e *engine) { grow(&e.services[0], 1, 0, 0) }
	for range 30 {
		tp.second(one)
	}
	e.now = at(1000) // half a minute back
	for range 60 {
		tp.second(one)
	}
	e.now = at(90000) // a day ahead
	for range 30 {
		tp.second(one)
	}
	e.now = at(1060)
	for range 120 {
		tp.second(one)
	}
	tp.flush()
	i := must(tp.Remembered(ctx))(t)
	if i.LostSeconds != 0 || i.Failed != "" {
		t.Errorf("%+v", i)
	}
	sum := must(tp.Incident(ctx, api.Stretch{Since: at(0), Until: at(2000)}))(t).Impact.Clients
	if sum < 150 || sum > 210 {
		t.Errorf("%d clients of 210 in that time", sum)
	}
	if m := must(tp.Moment(ctx, at(1100)))(t); m.Status.Service("db") == nil || m.Status.Service("db").Sessions.Total != 1 {
		t.Errorf("%+v", m.Status)
	}
}

// TestTopTalkers: by bytes, sessions and waiting, by address and network, of live and ended
// sessions; the rest is summed up.
func TestTopTalkers(t *testing.T) {
	t.Parallel()
	e := &engine{now: start, services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, tempFile(t), e)
	big := session(1, "10.0.0.1:1000")
	waits := session(2, "10.0.1.2:1000")
	waits.Phase = proxy.PhaseQueue
	for n := range 125 {
		tp.second(func(e *engine) {
			big.BytesOut += 1000
			waits.AgeSeconds++
			e.live = []proxy.SessionInfo{big, waits}
			tp.Record(proxy.Record{ID: fmt.Sprintf("x%d", n), Service: "db", Client: fmt.Sprintf("10.0.2.%d:99", n%25), BytesIn: 10})
			tp.Record(proxy.Record{ID: fmt.Sprintf("y%d", n), Service: "db", Client: "[fd00::1]:99", BytesIn: 50})
		})
	}
	tp.flush()
	ask := func(by, group string) *api.Top {
		return must(tp.Top(ctx, api.TopQuery{Stretch: api.Stretch{Since: at(0), Until: at(125), Service: "db"}, By: by, Group: group, Limit: 2}))(t)
	}
	if top := ask("bytes", "client"); top.Rows[0].Name != "10.0.0.1" || top.Rows[0].BytesOut < 110_000 || top.Rows[0].Sessions != 1 || top.Rows[1].Name != "fd00::1" || top.Total.BytesIn != top.Rows[1].BytesIn+top.Others.BytesIn {
		t.Errorf("%+v", top)
	}
	if top := ask("waiting", "client"); len(top.Rows) != 1 || top.Rows[0].Name != "10.0.1.2" || top.Rows[0].WaitingSeconds < 110 || top.Rows[0].Share != 1 {
		t.Errorf("%+v", top)
	}
	if top := ask("sessions", "net"); top.Rows[0].Name != "fd00::/64" && top.Rows[0].Name != "10.0.2.0/24" || len(top.Rows) != 2 || top.Total.Sessions < 240 {
		t.Errorf("%+v", top)
	}
	if top := ask("bytes", "service"); len(top.Rows) != 1 || top.Rows[0].Name != "db" || top.Rows[0].Share != 1 {
		t.Errorf("%+v", top)
	}
	// Another process within the same minute adds to its counts.
	was := ask("sessions", "service").Total.Sessions
	file := tp.cfg.Load().File
	tp.end()
	tp = newTape(t, file, &engine{now: at(126), services: []proxy.ServiceInfo{service("db", "a")}})
	for n := range 12 {
		tp.second(func(*engine) {
			tp.Record(proxy.Record{ID: fmt.Sprintf("z%d", n), Service: "db", Client: "10.0.0.9:1", BytesIn: 1})
		})
	}
	tp.flush()
	if n := must(tp.Top(ctx, api.TopQuery{Stretch: api.Stretch{Since: at(0), Until: at(140)}, By: "sessions"}))(t).Total.Sessions; n < was+8 || n > was+14 {
		t.Errorf("%d sessions, and there were %d before", n, was)
	}
	for _, q := range []api.TopQuery{{By: "luck"}, {Group: "user"}} {
		if _, err := tp.Top(ctx, q); err == nil {
			t.Errorf("%+v is taken", q)
		}
	}
}
