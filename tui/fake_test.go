package tui

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// start is the time of the golden screens.
var start = time.Date(2026, 3, 9, 14, 2, 11, 0, time.UTC)

// fake is a fake engine: it answers from values that a test may change, and applies acts to them.
type fake struct {
	mu       sync.Mutex
	status   api.Status
	waiters  []proxy.WaiterInfo
	sessions []proxy.SessionInfo
	events   []proxy.Event
	done     []api.Request
	asked    map[string]int
	err      error
	refuse   error         // the error of acts
	hold     chan struct{} // acts block until it is closed
	peers    map[string]*fake
	report   proxy.Report
	line     *api.NodeLine
}

// times returns how often something was asked for.
func (f *fake) times(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[what]
}

func (f *fake) Status(context.Context) (*api.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count("status")
	if f.err != nil {
		return nil, f.err
	}
	return f.copy(), nil
}

// copy returns a snapshot, which the console may keep.
func (f *fake) copy() *api.Status {
	s := f.status
	s.Services = nil
	if s.Cluster != nil {
		c := *s.Cluster
		c.Voters = append([]api.Voter(nil), c.Voters...)
		s.Cluster = &c
	}
	for _, svc := range f.status.Services {
		svc.Backends = append([]proxy.BackendInfo(nil), svc.Backends...)
		if svc.Lock != nil {
			lock := *svc.Lock
			svc.Lock = &lock
		}
		s.Services = append(s.Services, svc)
	}
	return &s
}

func (f *fake) count(what string) {
	if f.asked == nil {
		f.asked = map[string]int{}
	}
	f.asked[what]++
}

func (f *fake) Sessions(_ context.Context, q api.SessionQuery) ([]proxy.SessionInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count("sessions")
	return append([]proxy.SessionInfo(nil), f.sessions...), f.err
}

func (f *fake) Queue(_ context.Context, service string) ([]proxy.WaiterInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count("queue")
	if service != "office" && service != "svc3" {
		return nil, f.err
	}
	return append([]proxy.WaiterInfo(nil), f.waiters...), f.err
}

func (f *fake) Events(_ context.Context, since uint64, _ bool) (proxy.EventPage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count("events")
	page := proxy.EventPage{Last: uint64(len(f.events))}
	for i, ev := range f.events {
		if ev.Seq = uint64(i + 1); ev.Seq > since {
			page.Events = append(page.Events, ev)
		}
	}
	return page, f.err
}

func (f *fake) Do(ctx context.Context, r api.Request) (api.Result, error) {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return api.Result{}, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = append(f.done, r)
	if f.refuse != nil {
		return api.Result{}, f.refuse
	}
	act := api.Lookup(r.Act)
	if r.DryRun {
		return api.Result{Texts: []string{"nothing was done"}, Impact: act.Impact(f.copy(), &r)}, nil
	}
	for _, t := range r.Targets {
		if b := f.status.Backend(t); b != nil {
			f.apply(b, &r)
		}
	}
	res := api.Result{Texts: []string{strings.TrimSpace(r.Act+" "+strings.Join(r.Targets, " ")) + ": done"}}
	if act.Undo != "" && len(r.Targets) == 1 {
		res.Undo = &api.Request{Act: act.Undo, Targets: r.Targets, Expect: api.Stamp(f.copy(), act, r.Targets[0])}
	}
	return res, nil
}

func (f *fake) apply(b *proxy.BackendInfo, r *api.Request) {
	switch r.Act {
	case "drain", "maint":
		b.Admin, b.Since = r.Act, f.status.Node.Now
		b.Drain = &proxy.DrainInfo{StartedWith: b.Active, Remaining: b.Active, Since: f.status.Node.Now, Then: r.Then, By: "ana@edge-01", Reason: r.Reason}
		if r.Limit > 0 {
			until := f.status.Node.Now.Add(r.Limit)
			b.Drain.Until = &until
		}
	case "ready":
		b.Admin, b.Drain, b.Since = proxy.AdminReady, nil, f.status.Node.Now
	}
}

func (f *fake) Reports(context.Context) ([]proxy.Report, error) { return []proxy.Report{f.report}, nil }

func (f *fake) Report(context.Context, string) (proxy.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.report, f.err
}

func (f *fake) Window(context.Context, api.WindowCall) (api.WindowAnswer, error) {
	return api.WindowAnswer{}, nil
}

// peer returns another node: a copy of edge with another name.
func (f *fake) peer(node string) *fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name := map[string]string{"2": "edge-02", "3": "edge-03", idTwo: "edge-02", idThree: "edge-03"}[node]; name != "" {
		node = name // an act on all nodes uses ids
	}
	if f.peers[node] == nil {
		if f.peers == nil {
			f.peers = map[string]*fake{}
		}
		p := edge()
		heal(p)
		p.status.Node.Name, p.status.Mesh = node, nil
		f.peers[node] = p
	}
	return f.peers[node]
}

// change modifies the fake engine under its lock.
func (f *fake) change(do func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
}

// acts returns the requests that the engine has received.
func (f *fake) acts() []api.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]api.Request(nil), f.done...)
}

// edge is the node of the golden screens: a database with a drain, a backend in maintenance and one
// that is down; an office suite behind a lock.
func edge() *fake {
	until := start.Add(2*time.Minute + 47*time.Second)
	backend := func(name, host string, active int, since time.Duration) proxy.BackendInfo {
		return proxy.BackendInfo{Name: name, Addr: host, State: proxy.StateUp, Admin: proxy.AdminReady, Eligible: true,
			Since: start.Add(-since), Active: active, Total: int64(active) * 90, Peak: active * 2, Weight: 100, RTTSeconds: 0.0011,
			Check: &proxy.CheckInfo{OK: true, Consecutive: 30, Threshold: 3, Detail: "tcp ok", At: start.Add(-time.Second), Last: strings.Repeat("+", 30)}}
	}
	a := backend("pg-a", "10.0.0.11:5432", 412, 98*time.Hour)
	a.MaxSessions = 600
	b := backend("pg-b", "10.0.0.12:5432", 38, 133*time.Second)
	b.Admin, b.Eligible, b.Reason, b.RTTSeconds = proxy.AdminDrain, false, "draining", 0.002
	b.Drain = &proxy.DrainInfo{StartedWith: 210, Remaining: 38, Since: start.Add(-133 * time.Second), Until: &until, Then: "cut", By: "ana@edge-01"}
	c := backend("pg-c", "10.0.0.13:5432", 0, 662*time.Second)
	c.Admin, c.Eligible, c.Reason, c.Check, c.RTTSeconds = proxy.AdminMaint, false, "maint", nil, 0
	d := backend("pg-d", "10.0.0.14:5432", 0, 42*time.Second)
	d.State, d.Eligible, d.Reason, d.Transitions, d.RTTSeconds = proxy.StateDown, false, "down", 2, 0
	d.Check = &proxy.CheckInfo{Consecutive: 3, Threshold: 3, Detail: "connection refused", At: start.Add(-2 * time.Second), Last: strings.Repeat("+", 26) + "!!!!"}
	s := backend("soffice", "127.0.0.1:8100", 1, 4*time.Hour)
	f := &fake{status: api.Status{
		Node: api.Node{Name: "edge-01", Version: "1.0.0", Started: start.Add(-98 * time.Hour), ConfigHash: "9f31c2a7", PID: 77, Now: start},
		Services: []proxy.ServiceInfo{
			{Name: "db-front", Listen: []string{"0.0.0.0:5432"}, State: proxy.StateOpen, Balance: "random",
				Sessions: proxy.SessionCounts{Active: 450, Total: 40500, Failed: 2, Rejected: 1},
				Queue:    proxy.QueueInfo{Max: 1000}, BytesIn: 9 << 30, BytesOut: 5 << 30,
				Backends: []proxy.BackendInfo{a, b, c, d}},
			{Name: "office", Listen: []string{"127.0.0.1:9000"}, State: proxy.StateOpen, Balance: "random",
				Sessions: proxy.SessionCounts{Active: 1, Total: 812},
				Queue:    proxy.QueueInfo{Waiting: 7, OldestSeconds: 192, Granted: 640, Abandoned: 4, TimedOut: 1, Max: 1000, WaitP50Seconds: 151, WaitP99Seconds: 185},
				Lock: &proxy.LockInfo{Slots: 1, InUse: 1, TTLSeconds: 120, Holders: []proxy.HolderInfo{
					{ID: "s4717", Client: "10.2.0.9:51344", HeldSeconds: 41}}},
				BytesIn: 1 << 20, BytesOut: 88 << 10,
				Backends: []proxy.BackendInfo{s}},
		},
		Mesh: &api.Mesh{Name: "lab", Node: "edge-01", Listen: "10.0.0.1:7946", Secret: true, Peers: []api.Peer{
			{Peer: meshinfo.Peer{ID: "2", Name: "edge-02", Addr: "10.0.0.2:7946", State: meshinfo.Alive, Since: start.Add(-time.Hour), Seen: start.Add(-time.Second),
				RTTSeconds: 0.001, FoundBy: "mdns", Version: "1.0.0", Trusted: true},
				Services: []api.PeerService{{Name: "db-front", State: "open", Up: 4, Backends: 4, Active: 380}}},
			{Peer: meshinfo.Peer{ID: "3", Name: "edge-03", Addr: "10.0.0.3:7946", State: meshinfo.Suspect, Since: start.Add(-2 * time.Second), Seen: start.Add(-4 * time.Second),
				RTTSeconds: 0.002, FoundBy: "join", Version: "1.0.0", Trusted: true},
				Services: []api.PeerService{{Name: "db-front", State: "open", Up: 3, Backends: 4, Active: 12, Queue: 2}}},
		}},
	}}
	for i, w := range []struct {
		client string
		waited float64
	}{{"10.2.0.4:40112", 192}, {"10.2.0.7:39001", 177}, {"10.2.0.8:41877", 151}, {"10.2.0.4:40190", 118},
		{"10.2.0.5:55120", 80}, {"[2001:db8:7:3::15]:37412", 44}, {"10.2.0.7:39044", 5}} {
		state := proxy.WaiterWaiting
		if i == 0 {
			state = proxy.WaiterNext
		}
		f.waiters = append(f.waiters, proxy.WaiterInfo{ID: fmt.Sprintf("s%d", 4719+i), Position: i + 1, Client: w.client, WaitedSeconds: w.waited, State: state, Reason: "slots"})
	}
	f.status.Node.GraceSeconds = 30
	for i := range f.status.Services {
		f.status.Services[i].PauseDefaults = &proxy.PauseDefaults{LimitSeconds: 30, Then: proxy.ThenAbort, MaxSeconds: 120, OnMax: "resume"}
	}
	f.sessions = edgeSessions()
	f.events = edgeEvents()
	return f
}

func edgeSessions() []proxy.SessionInfo {
	return []proxy.SessionInfo{
		{ID: "s4717", Service: "office", Backend: "soffice", Client: "10.2.0.9:51344", Via: "tcp", Phase: "relay", AgeSeconds: 41, IdleSeconds: 1, BytesIn: 1258291, BytesOut: 90112},
		{ID: "s4702", Service: "db-front", Backend: "pg-a", Client: "10.2.0.31:40002", Via: "tls", Phase: "relay", AgeSeconds: 3720, IdleSeconds: 0, BytesIn: 88 << 20, BytesOut: 412 << 20},
		{ID: "s4699", Service: "db-front", Backend: "pg-b", Client: "10.2.0.30:51870", Via: "tcp", Phase: "relay", AgeSeconds: 612, IdleSeconds: 95, BytesIn: 2048, BytesOut: 7000},
		{ID: "s4690", Service: "db-front", Backend: "pg-a", Client: "198.51.100.7:61200", Via: "ws", Phase: "relay", AgeSeconds: 242, BytesIn: 1153433, BytesOut: 90112,
			Ended: &proxy.Record{ID: "s4690", By: proxy.ByClient, Phase: "relay", Reason: proxy.ReasonFIN, Served: true, Subprotocol: "binary", CloseCode: 1000, Ended: start.Add(-3 * time.Second)}},
		{ID: "s4695", Service: "desk", Backend: "vnc", Client: "198.51.100.7:61388", Via: "ws", Phase: "relay", AgeSeconds: 184, IdleSeconds: 2, BytesIn: 7340, BytesOut: 21 << 20, Subprotocol: "binary", PingSeconds: 0.018},
		{ID: "s4693", Service: "desk", Backend: "vnc", Client: "[2001:db8:7:3::15]:50610", Via: "ws", Phase: "relay", AgeSeconds: 97, BytesIn: 611, BytesOut: 4 << 20, PingSeconds: 0.31,
			Ended: &proxy.Record{ID: "s4693", By: proxy.ByBackend, Phase: "relay", Reason: proxy.ReasonReset, Served: true, CloseCode: 1011, Ended: start.Add(-9 * time.Second)}},
		{ID: "s4688", Service: "office", Client: "10.2.0.3:50122", Via: "tcp", Phase: "queue", AgeSeconds: 30,
			Ended: &proxy.Record{ID: "s4688", By: proxy.ByProxy, Phase: "queue", Reason: proxy.ReasonQueueTimeout}},
	}
}

func edgeEvents() []proxy.Event {
	at := func(h, m, s int) time.Time { return time.Date(2026, 3, 9, h, m, s, 0, time.UTC) }
	return []proxy.Event{
		{Time: at(13, 50, 11), Kind: proxy.EventSession, Level: proxy.LevelInfo, Service: "db-front", Text: "ws client 198.51.100.7 closed 1000, 4m02s, 1.1M/88K"},
		{Time: at(13, 51, 0), Kind: proxy.EventOperator, Level: proxy.LevelInfo, Service: "db-front", Backend: "pg-c", By: "ana@edge-01", Text: "maint db-front/pg-c: no sessions remaining", Command: "tcpctl maint db-front/pg-c --reason 'kernel patch'"},
		{Time: at(13, 55, 10), Kind: proxy.EventQueue, Level: proxy.LevelInfo, Service: "office", Text: "granted to 10.2.0.9:51344 after 02:40"},
		{Time: at(13, 58, 40), Kind: proxy.EventBackendUp, Level: proxy.LevelGood, Service: "office", Backend: "soffice", Text: "backend office/soffice is up"},
		{Time: at(13, 59, 58), Kind: proxy.EventOperator, Level: proxy.LevelInfo, Service: "db-front", Backend: "pg-b", By: "ana@edge-01", Text: "drain db-front/pg-b: 210 sessions remaining", Command: "tcpctl drain db-front/pg-b --limit 5m --then cut"},
		{Time: at(14, 1, 29), Kind: proxy.EventBackendDown, Level: proxy.LevelAlarm, Service: "db-front", Backend: "pg-d", Text: "backend db-front/pg-d is down: connection refused (3 of 3 checks failed)"},
		{Time: at(14, 1, 40), Kind: proxy.EventMark, Level: proxy.LevelInfo, By: "ana@edge-01", Text: "pg-d: disk swap begins"},
		{Time: at(14, 2, 4), Kind: proxy.EventQueue, Level: proxy.LevelInfo, Service: "office", Text: "10.2.0.7:39044 queued, 7 waiting"},
	}
}

// window is the plan in the golden screens.
func window() *proxy.PlanInfo {
	return &proxy.PlanInfo{ID: "w12", Kind: "roll", Service: "db-front", Owner: "ana@edge-01", State: "running", Steps: []proxy.StepInfo{
		{What: "drain pg-c", State: "done", Seconds: 58}, {What: "maint pg-c", State: "done", Seconds: 1},
		{What: "drain pg-b", State: "running", Seconds: 133, Detail: "38 remaining"},
		{What: "restart pg-b", State: "waiting", Detail: "its command, wait UP 60s"}, {What: "ready pg-b", State: "waiting"},
	}}
}

// heal puts all backends back in service, so that one can be spared.
func heal(f *fake) {
	for i := 2; i < 4; i++ {
		b := &f.status.Services[0].Backends[i]
		b.State, b.Admin, b.Eligible, b.Reason, b.Drain = proxy.StateUp, proxy.AdminReady, true, "", nil
		b.Check = &proxy.CheckInfo{OK: true, Consecutive: 9, Threshold: 3, Detail: "tcp ok"}
	}
}

func pauseOffice(f *fake) {
	s := &f.status.Services[1]
	s.State = proxy.StatePaused
	s.Sessions.Active = 0
	s.Lock.InUse, s.Lock.Holders = 0, nil
	s.Pause = &proxy.PauseInfo{Owner: "ana@edge-01", By: "window", Reason: "kernel patch", Since: start.Add(-12 * 1e9), Until: start.Add(120 * 1e9), Held: 7, Step: "command"}
}

// NodeLine returns the node's part of the cluster's queue.
func (f *fake) NodeLine(context.Context, string) (*api.NodeLine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count("line")
	if f.line == nil {
		return nil, f.err
	}
	n := *f.line
	return &n, f.err
}
