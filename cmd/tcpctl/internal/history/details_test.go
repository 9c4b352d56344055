package history

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// waiting returns clients s<from> to s<to-1>, of which the first has waited longest.
func waiting(from, to int) (all []proxy.WaiterInfo) {
	for n := from; n < to; n++ {
		w := proxy.WaiterInfo{ID: fmt.Sprintf("s%d", n), Position: n - from + 1, Client: fmt.Sprintf("10.2.0.%d:40112", n), WaitedSeconds: float64(to-n) + 0.5, State: proxy.WaiterWaiting, Reason: "paused"}
		if n == from {
			w.State = proxy.WaiterNext
		}
		all = append(all, w)
	}
	return all
}

func meshOf(state meshinfo.State, queue int) *api.Mesh {
	m := &api.Mesh{Name: "lab", Node: "edge-01", ID: "id1", Listen: "127.0.0.1:1", Secret: true}
	for n := range peersMost + 2 {
		m.Peers = append(m.Peers, api.Peer{Peer: meshinfo.Peer{ID: fmt.Sprint("p", n), Name: fmt.Sprintf("edge-%03d", n), State: meshinfo.Alive, RTTSeconds: 0.001}})
	}
	m.Peers[0].State, m.Peers[0].Seen = state, at(4)
	m.Peers[1].Services = []api.PeerService{{Name: "db", State: proxy.StateOpen, Up: 1, Backends: 1, Queue: queue}}
	return m
}

// TestAMomentHasItsClientsPeersAndPlan: second by second, who waited and who held a slot, the
// states of the peers and the plan's progress, with how many there were beyond the bounds; and
// after a kill and a start, old details do not count as current.
func TestAMomentHasItsClientsPeersAndPlan(t *testing.T) {
	t.Parallel()
	file := tempFile(t)
	db := service("db", "a")
	db.Lock = &proxy.LockInfo{Slots: 1, TTLSeconds: 60}
	e := &engine{now: start, services: []proxy.ServiceInfo{db}, mesh: meshOf(meshinfo.Alive, 0)}
	tp := newTape(t, file, e)
	for n := range 30 {
		tp.second(func(e *engine) {
			s := &e.services[0]
			lock := *s.Lock
			s.Lock, s.Sessions.Active = &lock, 1
			lock.InUse, lock.Holders = 1, []proxy.HolderInfo{{ID: "s1", Client: "10.2.0.1:1", HeldSeconds: float64(n + 5)}}
			switch {
			case n >= 10 && n < 15:
				e.waiters = waiting(10, 13)
			case n == 15: // the first is admitted, another comes
				e.waiters = waiting(11, 14)
			case n == 16:
				e.waiters = waiting(100, 100+clientsMost+8)
			case n == 17:
				e.waiters = nil
			}
			s.Queue.Waiting = len(e.waiters)
			switch n {
			case 5:
				e.mesh = meshOf(meshinfo.Down, 7)
			case 12:
				e.plan = &proxy.PlanInfo{ID: "p7", Kind: "restart", Service: "db", State: proxy.PlanRunning, Steps: []proxy.StepInfo{{What: "pause", State: proxy.StepRunning, Seconds: 1}, {What: "resume", State: proxy.StepWaiting}}}
			case 14:
				plan := *e.plan // the writer may still use the old one
				plan.Steps = slices.Clone(plan.Steps)
				plan.Steps[0].Seconds, plan.Steps[0].Detail = 3, "1 session remains"
				e.plan = &plan
			case 20:
				e.plan = &proxy.PlanInfo{ID: "p7", Kind: "restart", Service: "db", State: proxy.PlanDone, Steps: []proxy.StepInfo{{What: "pause", State: "done", Seconds: 9}, {What: "resume", State: "done", Seconds: 1}}}
				e.reports = []proxy.Report{{ID: "p7", Kind: "restart", Service: "db", State: proxy.PlanDone, Started: at(12), Ended: at(20)}}
				e.Note(proxy.Event{Kind: proxy.EventPlan, Text: "restart of db is done"})
			case 25:
				e.plan = nil
			}
		})
	}
	tp.flush()
	moment := func(second int) *api.Moment { t.Helper(); return must(tp.Moment(ctx, at(second)))(t) }
	ids := func(second int) (list []string) {
		for _, w := range moment(second).Waiters["db"] {
			list = append(list, fmt.Sprint(w.Position, w.ID, w.State))
		}
		return list
	}
	for second, want := range map[int]string{
		9: "[]", 10: "[1s10next 2s11waiting 3s12waiting]", 14: "[1s10next 2s11waiting 3s12waiting]", 15: "[1s11next 2s12waiting 3s13waiting]", 17: "[]",
	} {
		if got := fmt.Sprint(ids(second)); got != want {
			t.Errorf("at %d the queue is %s, want %s", second, got, want)
		}
	}
	m := moment(16)
	if n := len(m.Waiters["db"]); n != clientsMost || m.Status.Service("db").Queue.Waiting != clientsMost+8 {
		t.Errorf("%d waiters of %d", n, m.Status.Service("db").Queue.Waiting)
	}
	if h := moment(12).Status.Service("db").Lock.Holders; len(h) != 1 || h[0].ID != "s1" || h[0].HeldSeconds != 17 {
		t.Errorf("holders: %+v", h)
	}
	if w := moment(12).Waiters["db"][0]; w.Client != "10.2.0.10:40112" || w.Reason != "paused" || w.WaitedSeconds != 5.5 {
		t.Errorf("%+v", w)
	}
	before, after := moment(4).Status.Mesh, moment(5)
	if before.Peers[0].State != meshinfo.Alive || after.Status.Mesh.Peers[0].State != meshinfo.Down || !after.Status.Mesh.Peers[0].Seen.Equal(at(4)) {
		t.Errorf("%+v\n%+v", before.Peers[0], after.Status.Mesh.Peers[0])
	}
	if len(after.Status.Mesh.Peers) != peersMost || after.PeersBeyond != 2 || !before.Peers[0].Seen.Equal(at(5)) {
		t.Errorf("%d peers and %d, seen %s", len(after.Status.Mesh.Peers), after.PeersBeyond, before.Peers[0].Seen)
	}
	if p := moment(11).Status.Plan; p != nil {
		t.Errorf("a plan before its start: %+v", p)
	}
	if p := moment(15).Status.Plan; p == nil || p.Steps[0].Seconds != 4 || p.State != proxy.PlanRunning {
		t.Errorf("%+v", p)
	}
	if m := moment(20); m.Status.Plan.State != proxy.PlanDone || m.Report == nil || m.Report.ID != "p7" {
		t.Errorf("%+v, %+v", m.Status.Plan, m.Report)
	}
	if m := moment(26); m.Status.Plan != nil {
		t.Errorf("the plan is still there: %+v", m.Status.Plan)
	}
	e.plan = &proxy.PlanInfo{ID: "p8", State: proxy.PlanRunning}
	tp.second(func(e *engine) { e.waiters, e.services[0].Queue.Waiting = waiting(200, 201), 1 })
	tp.flush()
	tp.end()
	next := newTape(t, file, &engine{now: at(50), services: []proxy.ServiceInfo{service("db", "a")}})
	next.second(nil)
	next.flush()
	tp = next
	if m := moment(30); m.Status.Plan == nil || len(m.Waiters["db"]) != 1 {
		t.Errorf("the last second: %+v, %+v", m.Status.Plan, m.Waiters)
	}
	if m := moment(50); m.Status.Plan != nil || m.Status.Mesh != nil || len(m.Waiters["db"]) != 0 {
		t.Errorf("after a kill: %+v, %+v, %+v", m.Status.Plan, m.Status.Mesh, m.Waiters)
	}
	next.end()
	s, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for view, want := range map[string]int{"waiters": 3 + 1 + clientsMost + 1, "holders": 1, "peers": peersMost + 1 + peersMost, "plans": 5} {
		var n int
		if err := s.write.QueryRow("SELECT count(*) FROM " + view).Scan(&n); err != nil || n != want {
			t.Errorf("%s has %d rows, want %d, %v", view, n, want, err)
		}
	}
	var state string
	if err := s.write.QueryRow("SELECT state FROM peers WHERE peer = 'p0 edge-000' ORDER BY at DESC LIMIT 1 OFFSET 1").Scan(&state); err != nil || state != "down" {
		t.Errorf("%q, %v", state, err)
	}
}

// TestDetailsHoldForAnHour: what does not change has one row an hour, and there are never more rows
// than the bound.
func TestDetailsHoldForAnHour(t *testing.T) {
	t.Parallel()
	e := &engine{now: at(3590), services: []proxy.ServiceInfo{service("db", "a")}, mesh: meshOf(meshinfo.Alive, 0), waiters: waiting(1, 4)}
	e.services[0].Queue.Waiting = 3
	tp := newTape(t, Memory, e)
	for range 20 {
		tp.second(nil)
	}
	tp.flush()
	for _, second := range []int{3595, 3599, 3600, 3605} {
		if m := must(tp.Moment(ctx, at(second)))(t); len(m.Waiters["db"]) != 3 || len(m.Status.Mesh.Peers) != peersMost {
			t.Errorf("at %d: %d waiters, %d peers", second, len(m.Waiters["db"]), len(m.Status.Mesh.Peers))
		}
	}
	var rows, details int
	err := tp.store.write.QueryRow("SELECT (SELECT count(*) FROM clients), (SELECT count(*) FROM details)").Scan(&rows, &details)
	if err != nil || rows != 6 || details != 2*(peersMost+1) {
		t.Errorf("%d rows of clients, %d of details, %v", rows, details, err)
	}
	const most = 1000
	if err := tp.store.transact(func(tx *sql.Tx) error {
		if _, err := tx.Exec("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM t WHERE n < ?) INSERT INTO clients SELECT n, 1, 'waiter', 's'||n, n+1, '', 0, '', '' FROM t", most+500); err != nil {
			return err
		}
		return pruneDetails(tx, 0, most)
	}); err != nil {
		t.Fatal(err)
	}
	if err := tp.store.write.QueryRow("SELECT count(*) FROM clients").Scan(&rows); err != nil || rows > most || rows < most-10 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestHostOf(t *testing.T) {
	t.Parallel()
	for client, want := range map[string]string{"10.0.0.7:4711": "10.0.0.7", "10.0.0.7:0": "10.0.0.7", "[2001:db8::7]:4711": "2001:db8::7",
		"[::ffff:10.0.0.7]:4711": "10.0.0.7", "[fe80::1%eth0]:4711": "fe80::1", "unix:/run/a:b": "unix:/run/a:b", "unix:": "unix:", "unknown": "unknown", "": ""} {
		if host := hostOf(client); host != want {
			t.Errorf("%q of %q, want %q", host, client, want)
		}
	}
}
