package proxy_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule09AcrossNodes: zero failures are not reported without the rejections, and
// unknown numbers are not counted.
func TestRule09AcrossNodes(t *testing.T) {
	node := func(name, state string, failed, rejected int64) proxy.NodeReport {
		return proxy.NodeReport{Node: name, State: state, Numbers: proxy.Numbers{Failed: failed, Rejected: rejected}}
	}
	for _, tc := range []struct {
		want  string
		nodes []proxy.NodeReport
	}{
		{"failed 0 on 2 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 0, 0), node("b", proxy.NodeDone, 0, 0)}},
		{"failed 0, rejected 5 on 2 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 0, 2), node("b", proxy.NodeDone, 0, 3)}},
		{"failed 2, rejected 1 on 1 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 2, 1), node("b", proxy.NodeUnknown, 7, 7)}},
		{"failed 1 on 1 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 0, 0), node("a", proxy.NodeDone, 1, 0), node("b", proxy.NodeDone, 0, 0), node("b", proxy.NodeUnknown, 0, 0)}},
	} {
		if got := proxy.AcrossNodes(tc.nodes); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// others is a plan on all engines, whose other engines return the elements of views one
// after another; until is how long they may take.
type others struct {
	proxy.ClusterWindows
	views chan []proxy.ClusterView
	until chan time.Time
}

func (o others) End() {}
func (o others) Others(ctx context.Context) []proxy.ClusterView {
	until, _ := ctx.Deadline()
	o.until <- until
	select {
	case v := <-o.views:
		return v
	case <-ctx.Done():
		return nil
	}
}
func (o others) Begin(context.Context, string) (proxy.ClusterWindow, error) {
	return nil, errors.New("it begins")
}

// TestRule27TheGuardOfARoll checks all nodes: each must have others up, and must have
// answered, unless it is left out; one that has not yet applied the last agreement gets
// time, but not half a minute before the first restart.
func TestRule27TheGuardOfARoll(t *testing.T) {
	t.Parallel()
	first, second := newServer(t, "a"), newServer(t, "b")
	var backends []proxy.BackendConfig
	for _, s := range []*server{first, second} {
		b := s.backend()
		b.Restart = []string{"true"}
		backends = append(backends, b)
	}
	v := start(t, proxy.ServiceConfig{Backends: backends, Check: proxy.CheckConfig{Type: "none"}})
	for _, name := range []string{"a", "b"} {
		v.untilBackend(name, "up", func(b proxy.BackendInfo) bool { return b.Eligible })
	}
	view := func(node string, waited time.Duration, b proxy.BackendInfo) proxy.ClusterView {
		b.Name = "b"
		return proxy.ClusterView{Node: node, Service: &proxy.ServiceInfo{Queue: proxy.QueueInfo{OldestSeconds: waited.Seconds()}, Backends: []proxy.BackendInfo{{Name: "a"}, b}}}
	}
	up := proxy.BackendInfo{Eligible: true}
	down := []proxy.ClusterView{view("n2", 0, up), view("n3", 0, proxy.BackendInfo{Reason: "down"})}
	for _, tc := range []struct {
		name, want, err string
		views           []proxy.ClusterView
	}{
		{"all have others up", "1 of 1 others up; n2: 1 of 1 others up; n3: 1 of 1 others up", "", []proxy.ClusterView{view("n2", 0, up), view("n3", 0, up)}},
		{"one is full, and one on standby", "1 of 1 others up; n2: 1 of 1 others up; n3: 1 of 1 others up", "",
			[]proxy.ClusterView{view("n2", 0, proxy.BackendInfo{Reason: "full"}), view("n3", 0, proxy.BackendInfo{Reason: "standby"})}},
		{"one node sees the other backend down", "", "n3: only 0 of 1 others up, 1 wanted", down},
		{"one has a waiting client", "", "n2: a client has waited 9s, more than max_wait (5s)", []proxy.ClusterView{view("n2", 9*time.Second, up)}},
		{"one has not answered", "", "n2: its backends are unknown: no answer; use --force to leave it out", []proxy.ClusterView{{Node: "n2", Unknown: "no answer"}}},
		{"one is lost", "1 of 1 others up; n2: left out, its lease ended", "", []proxy.ClusterView{{Node: "n2", Unknown: "its lease ended", LeftOut: true}}},
	} {
		said, err := proxy.GuardOf(v.svc.Backend("a"), tc.views, proxy.PlanOptions{MaxWait: 5 * time.Second})
		if text := fmt.Sprint(err); said != tc.want || text != cmp.Or(tc.err, "<nil>") {
			t.Errorf("%s: %q, %v; want %q, %s", tc.name, said, err, tc.want, tc.err)
		}
	}

	o := others{views: make(chan []proxy.ClusterView), until: make(chan time.Time, 10)}
	p, err := v.svc.StartRoll(proxy.PlanOptions{By: "ana", Cluster: o})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		o.views <- down
	}
	o.views <- down[:1]
	if within := time.Until(<-o.until); within > 5*time.Second {
		t.Errorf("the first guard waits for %v", within)
	}
	if r := v.ended(p, nil); r.Error != "drain a: it begins" || r.Steps[0].Detail != "1 of 1 others up; n2: 1 of 1 others up" {
		t.Errorf("it ends with %q, and its guard said %q", r.Error, r.Steps[0].Detail)
	}
}

// unheard is a window of all engines whose successful end no majority receives.
type unheard struct {
	proxy.ClusterWindow
	user  proxy.ClusterUser
	ended chan bool
}

func (w *unheard) Begin(context.Context, string) (proxy.ClusterWindow, error) {
	w.user.Follow(proxy.ClusterFacts{Pause: proxy.ClusterPause{ID: 1, Backend: "a", By: "ana", Window: true, Max: time.Hour}})
	return w, nil
}
func (w *unheard) Others(context.Context) []proxy.ClusterView       { return nil }
func (w *unheard) End()                                             {}
func (w *unheard) Settled(context.Context) (string, error)          { return "", nil }
func (w *unheard) Command(context.Context, bool) error              { return nil }
func (w *unheard) Check(context.Context) (detail string, err error) { return "", nil }
func (w *unheard) Nodes() []proxy.NodeReport                        { return nil }
func (w *unheard) Resume(_ context.Context, good bool) error {
	if good {
		return proxy.ErrNoQuorum
	}
	w.ended <- good
	return nil
}

// TestRule28AbortedBeforeItsEndIsHeard: a restart of all nodes whose end no majority
// receives does not stay when an operator aborts it: nobody else would end it, as its owner
// is there.
func TestRule28AbortedBeforeItsEndIsHeard(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	b := s.backend()
	b.Restart = []string{"true"}
	w := &unheard{ended: make(chan bool, 1)}
	v := start(t, proxy.ServiceConfig{Backends: []proxy.BackendConfig{b}, Check: proxy.CheckConfig{Type: "none"}, Scope: proxy.ScopeCluster,
		Cluster: func(u proxy.ClusterUser) io.Closer { w.user = u; return io.NopCloser(nil) }})
	w.user.Follow(proxy.ClusterFacts{})
	p, err := v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana", Cluster: w})
	if err != nil {
		t.Fatal(err)
	}
	v.until("its end is announced", func(proxy.ServiceInfo) bool { return p.Report().Steps[3].State == proxy.StepRunning })
	p.Abort("ana")
	if r := v.ended(p, nil); r.State != proxy.PlanAborted || !strings.Contains(r.Error, "a stays drained on all nodes") {
		t.Errorf("it ends %s: %s", r.State, r.Error)
	}
	select {
	case <-w.ended:
	default:
		t.Error("its end was not announced")
	}
}
