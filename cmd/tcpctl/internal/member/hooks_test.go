package member_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
)

// A diary records the hook runs of all nodes.
type diary struct {
	mu    sync.Mutex
	calls []proxy.HookCall
	wait  chan struct{} // hooks block until it is closed; nil: they return at once
	began chan struct{}
}

func (d *diary) hook(ctx context.Context, c proxy.HookCall) error {
	d.mu.Lock()
	d.calls = append(d.calls, c)
	wait := d.wait
	d.mu.Unlock()
	if wait == nil {
		return nil
	}
	d.began <- struct{}{}
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *diary) all() []proxy.HookCall {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// TestRule25cTokens: a session's token is in the backend's PROXY header, in the status and in the
// record.
func TestRule25cTokens(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, nil)
		last := uint64(0)
		for i, n := range r.nodes {
			v := n.queue(fmt.Sprint(i))
			token := v.hears("a")
			if token <= last {
				t.Errorf("token %d after token %d", token, last)
			}
			last = token
			info := n.svc.Info()
			if l := info.Lock; l.Scope != proxy.ScopeCluster || l.LeaseSeconds <= 0 || !strings.HasPrefix(l.Text(), "1 of 1 slots in use here") || len(l.Holders) != 1 || l.Holders[0].Token != token {
				t.Errorf("the lock: %+v", l)
			}
			if s := n.engine.Operator().Sessions(false); len(s) != 1 || s[0].Token != token {
				t.Errorf("the session: %+v", s)
			}
			v.leaves()
			if rec := n.record(); rec.Token != token {
				t.Errorf("the record: %+v", rec)
			}
		}
	})
}

// TestRule25cHooksCountTokens: before_next runs at every second client of all nodes, while no other
// session is live.
func TestRule25cHooksCountTokens(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		d := &diary{}
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 2},
			Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook, Every: 2}, Ready: proxy.ReadyNone}}, nil)
		for i := range 9 {
			v := r.nodes[i%3].queue(fmt.Sprint(i))
			v.hears("a")
			v.leaves()
		}
		r.records()
		var tokens []uint64
		for _, c := range d.all() {
			if c.Reason != "before_next" || c.Count != int(c.Token) {
				t.Errorf("called with %+v", c)
			}
			tokens = append(tokens, c.Token)
		}
		if !slices.Equal(tokens, []uint64{2, 4, 6, 8}) {
			t.Errorf("it ran before tokens %v", tokens)
		}
		r.backend.atMost(2)
	})
}

// TestRule25cOnExpire: it runs before the next grant of a slot that a lost node had, and before no
// other.
func TestRule25cOnExpire(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		file := filepath.Join(t.TempDir(), "fenced")
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{Hooks: proxy.Hooks{
			OnExpire: proxy.Hook{Run: []string{"/bin/sh", "-c", `echo $TCPCTL_REASON $TCPCTL_TOKEN $TCPCTL_SERVICE >> "$0"`, file}},
			Ready:    proxy.ReadyNone}}, nil)
		holder := r.nodes[2].queue("holder")
		holder.hears("a")
		next := r.nodes[0].queue("next")
		if text, err := os.ReadFile(file); err == nil {
			t.Errorf("it ran for %q", text)
		}
		r.link(3, false)
		holder.ends()
		next.hears("a")
		text, _ := os.ReadFile(file)
		want := fmt.Sprintf("on_expire %d db\n", r.held()[0].Token)
		if string(text) != want {
			t.Errorf("it said %q, not %q", text, want)
		}
		next.leaves()
		after := r.nodes[1].queue("after")
		after.hears("a")
		after.leaves()
		if text, _ := os.ReadFile(file); string(text) != want {
			t.Errorf("then it said %q", text)
		}
		r.backend.atMost(1)
	})
}

// TestRule25cAClientThatLeavesItsHook: the hook keeps the slot until its end, and does not run
// again for the next client.
func TestRule25cAClientThatLeavesItsHook(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		d := &diary{wait: make(chan struct{}), began: make(chan struct{}, 9)}
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{
			Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook, Every: 2}, Ready: proxy.ReadyNone}}, nil)
		first := r.nodes[1].queue("first")
		first.hears("a")
		first.leaves()
		leaves := r.nodes[0].queue("leaves")
		<-d.began
		next := r.nodes[1].queue("next")
		leaves.Conn.(*net.TCPConn).SetLinger(0) // a reset: a FIN after bytes would be verified
		leaves.Close()
		r.nodes[0].until("the client has gone", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 0 })
		if held := r.held(); len(held) != 1 || held[0].Node != 1 {
			t.Errorf("while the hook runs the slot is held by %+v", held)
		}
		close(d.wait)
		next.hears("a")
		next.leaves()
		r.records()
		if calls := d.all(); len(calls) != 1 || calls[0].Token != 2 {
			t.Errorf("it ran %+v", calls)
		}
	})
}

// TestRule25cAHookWhoseLeaseIsLost: it is ended, and runs again on the node that gets the slot.
func TestRule25cAHookWhoseLeaseIsLost(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		d := &diary{wait: make(chan struct{}), began: make(chan struct{}, 9)}
		r := newRig(t, lostLease, relay, proxy.ServiceConfig{
			Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook, Every: 1}, Ready: proxy.ReadyNone}}, nil)
		first := r.nodes[2].queue("first")
		<-d.began
		next := r.nodes[0].queue("next")
		r.link(3, false)
		r.nodes[2].until("its hook is ended", func(i proxy.ServiceInfo) bool {
			return i.Hook.State != proxy.HookRunning && strings.Contains(i.Hook.Last, "the lease of this node is over")
		})
		<-d.began
		if calls := d.all(); len(calls) != 2 || calls[1].Token <= calls[0].Token {
			t.Errorf("it ran %+v", calls)
		}
		close(d.wait)
		next.hears("a")
		next.leaves()
		r.link(3, true)
		first.hears("a")
		first.leaves()
		r.records()
		r.backend.atMost(1)
	})
}

// TestRule25cAHookThatFails: it holds the clients of its node; after a moment the slot passes to
// another node, which must run the hook.
func TestRule25cAHookThatFails(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		var mended atomic.Bool
		hook := func(node int) func(context.Context, proxy.HookCall) error {
			return func(context.Context, proxy.HookCall) error {
				if node == 0 && !mended.Load() {
					return errors.New("not here")
				}
				return nil
			}
		}
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, func(i int, c *proxy.ServiceConfig, _ *member.Config) {
			c.Hooks = proxy.Hooks{BeforeNext: proxy.Hook{Func: hook(i), OnError: proxy.OnErrorHold}, Ready: proxy.ReadyNone}
		})
		held := r.nodes[0].queue("held")
		r.nodes[0].until("its hook has failed", func(i proxy.ServiceInfo) bool { return i.Hook.Failed > 0 })
		passes := r.nodes[1].queue("passes")
		passes.hears("a")
		mended.Store(true)
		passes.leaves()
		held.hears("a")
		held.leaves()
		r.records()
		r.backend.atMost(1)
	})
}

// TestRule25cATTLAndItsHook: the cluster's slot is free once on_ttl is done.
func TestRule25cATTLAndItsHook(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		d := &diary{wait: make(chan struct{}), began: make(chan struct{}, 9)}
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, func(i int, c *proxy.ServiceConfig, _ *member.Config) {
			if i == 0 {
				c.Lock.TTL, c.Hooks = 500*time.Millisecond, proxy.Hooks{OnTTL: proxy.Hook{Func: d.hook}, Ready: proxy.ReadyNone}
			}
		})
		slow := r.nodes[0].queue("slow")
		next := r.nodes[1].queue("next")
		if !slow.ends() {
			t.Error("it saw no reset")
		}
		<-d.began
		if rec := r.nodes[0].record(); rec.Reason != proxy.ReasonTTL || d.all()[0].Token != rec.Token {
			t.Errorf("record %+v, hook %+v", rec, d.all())
		}
		if held := r.held(); len(held) != 1 || held[0].Node != 1 {
			t.Errorf("while on_ttl runs the slot is held by %+v", held)
		}
		close(d.wait)
		next.hears("a")
		next.leaves()
		r.records()
		r.backend.atMost(1)
	})
}

// TestReasonsAreTheEngines: the agent's reasons are the engine's constants.
func TestReasonsAreTheEngines(t *testing.T) {
	for reason, want := range map[cluster.Reason]proxy.Reason{cluster.ReasonCluster: proxy.ReasonCluster, cluster.ReasonLease: proxy.ReasonClusterLease,
		cluster.ReasonPaused: proxy.ReasonPaused, cluster.ReasonLost: proxy.ReasonLeaseLost} {
		if proxy.Reason(reason) != want {
			t.Errorf("%q is not %q", reason, want)
		}
	}
}
