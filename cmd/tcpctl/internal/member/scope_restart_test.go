package member_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// restartable gives a service the backends a and b, or a alone, with a restart command.
func restartable(backends int, argv ...string) func(*proxy.ServiceConfig) {
	return func(c *proxy.ServiceConfig) {
		one := c.Backends[0]
		one.Restart = argv
		c.Backends, c.Balance = nil, "roundrobin"
		for _, name := range []string{"a", "b"}[:backends] {
			one.Name = name
			c.Backends = append(c.Backends, one)
		}
	}
}

// plans returns the options of a plan on all nodes, requested by the node's operator.
func (n *scoped) plans(change func(*proxy.PlanOptions)) proxy.PlanOptions {
	o := proxy.PlanOptions{Limit: time.Minute, Then: proxy.ThenAbort, Max: time.Minute, By: "ana"}
	if change != nil {
		change(&o)
	}
	o.Cluster = planned{n.member, rand.Text(), &api.Request{By: o.By, Options: api.Options{Limit: o.Limit, Then: o.Then, Max: o.Max}}}
	return o
}

// planned is a plan on all nodes, begun as api.Local does.
type planned struct {
	member *member.Member
	roll   string
	*api.Request
}

func (p planned) Begin(ctx context.Context, backend string) (proxy.ClusterWindow, error) {
	return p.member.Window(ctx, "db/"+backend, p.roll, p.Request)
}

func (p planned) Others(context.Context) []proxy.ClusterView { return nil }

func (p planned) End() { p.member.EndRoll(p.roll) }

func (n *scoped) restarts(change func(*proxy.PlanOptions)) *proxy.Plan {
	n.Helper()
	p, err := n.svc.Backend("a").StartRestart(n.plans(change))
	if err != nil {
		n.Fatal(err)
	}
	return p
}

// ends waits for the end of a plan.
func (n *scoped) ends(p *proxy.Plan, state string) proxy.Report {
	n.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		n.Fatalf("the plan is not over: %+v", p.Report())
	}
	r := p.Report()
	if r.State != state {
		n.Errorf("the plan: %s, want %s: %s", r.State, state, r.Sentence())
	}
	return r
}

// admin waits until a backend has an admin state on all nodes.
func admin(t *testing.T, all []*scoped, state string) {
	t.Helper()
	for _, n := range all {
		n.until("the first backend is "+state, func(i proxy.ServiceInfo) bool { return i.Backends[0].Admin == state })
	}
}

// TestRule27ARestartOfABackend: all nodes drain it, the command runs once, and then all put it back
// in service. Meanwhile the other backend serves, and the service is open.
func TestRule27ARestartOfABackend(t *testing.T) {
	t.Parallel()
	ran := filepath.Join(t.TempDir(), "ran")
	_, all := threeNodes(t, 10*second, restartable(2, "sh", "-c", "echo $TCPCTL_BACKEND >>"+ran))
	live := all[2].dial()
	all[2].hears(live)
	second := all[2].dial() // one of the two is on backend a
	all[2].hears(second)
	p := all[0].restarts(nil)
	admin(t, all, proxy.AdminDrain)
	eventually(t, "its session is waited for", func() bool {
		r := p.Report()
		return len(r.Nodes) == 3 && r.Nodes[2].State == proxy.NodeDraining && r.Nodes[2].Live == 1 && r.Nodes[2].Backend == "a" && r.Nodes[0].State == proxy.NodeSettled
	})
	for _, n := range all {
		n.hears(n.dial())
	}
	if _, err := all[1].do("pause", "db", nil); err == nil || !strings.Contains(err.Error(), "db/a is being restarted on all nodes, by ana") {
		t.Errorf("a pause meanwhile: %v", err)
	}
	if _, err := all[1].svc.Backend("a").Ready("ana", ""); err == nil || !strings.Contains(err.Error(), "held by the restart of ana") {
		t.Errorf("ready meanwhile: %v", err)
	}
	live.Close()
	second.Close()
	r := all[0].ends(p, proxy.PlanDone)
	admin(t, all, proxy.AdminReady)
	if said := proxy.AcrossNodes(r.Nodes); said != "failed 0 on 3 of 3 nodes" || len(r.Nodes) != 3 {
		t.Errorf("it reports %s: %+v", said, r.Nodes)
	}
	if text, _ := os.ReadFile(ran); string(text) != "a\n" {
		t.Errorf("the command has run %q", text)
	}
}

// TestRule20ARestartOfAllNodesThatFails: the backend stays drained on all nodes until an operator
// makes it ready.
func TestRule20ARestartOfAllNodesThatFails(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, restartable(2, "sh", "-c", "echo no such unit; exit 5"))
	r := all[0].ends(all[0].restarts(nil), proxy.PlanFailed)
	if !strings.Contains(r.Error, "no such unit; a stays drained on all nodes") {
		t.Errorf("it says %q", r.Error)
	}
	admin(t, all, proxy.AdminDrain)
	eventually(t, "the plan is over", func() bool { p := all[2].member.Facts("db").Plan; return !p.Runs() })
	for _, n := range all {
		n.hears(n.dial())
		if i := n.svc.Info(); i.Backends[0].Admin != proxy.AdminDrain || i.Backends[0].Active > 0 {
			t.Errorf("afterwards: %+v", i.Backends[0])
		}
	}
	all[1].must("ready", "db/a", nil)
	admin(t, all, proxy.AdminReady)
}

// TestRule37TheLimitOfARestart: with abort, if it passes on one node, the restart is given up on
// all, before the command.
func TestRule37TheLimitOfARestart(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, restartable(1, "false"))
	live := all[2].dial()
	all[2].hears(live)
	r := all[0].ends(all[0].restarts(func(o *proxy.PlanOptions) { o.Limit = 300 * time.Millisecond }), proxy.PlanTimedOut)
	if !strings.Contains(r.Error, "1 session still live on node-3") {
		t.Errorf("it says %q", r.Error)
	}
	admin(t, all, proxy.AdminReady)
}

// TestRule20ARestartOfTheOnlyBackend: it holds the clients of all nodes.
func TestRule20ARestartOfTheOnlyBackend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	began, end := filepath.Join(dir, "began"), filepath.Join(dir, "end")
	_, all := threeNodes(t, 10*second, func(c *proxy.ServiceConfig) {
		restartable(1, "sh", "-c", "touch "+began+"; until [ -e "+end+" ]; do sleep 0.05; done")(c)
		c.NoBackend = "reject"
	})
	p := all[1].restarts(nil)
	eventually(t, "the command runs", func() bool { _, err := os.Stat(began); return err == nil })
	for _, n := range all {
		held := n.dial()
		n.until("its client is held", func(i proxy.ServiceInfo) bool { return i.State == proxy.StatePaused && i.Queue.Waiting == 1 })
		defer n.hears(held)
	}
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := all[1].ends(p, proxy.PlanDone)
	if said := proxy.AcrossNodes(r.Nodes); said != "failed 0 on 3 of 3 nodes" || r.Numbers.Held != 3 || r.Numbers.Rejected != 0 {
		t.Errorf("it reports %s: %+v", said, r.Numbers)
	}
}

// TestRule27TheOwnerOfARestartIsLost: while its command runs. After the max the backend stays
// drained on all nodes, since its state is unknown.
func TestRule27TheOwnerOfARestartIsLost(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, lostLease, restartable(2, "sleep", "60"))
	p := all[0].restarts(func(o *proxy.PlanOptions) { o.Max = 3 * time.Second })
	eventually(t, "the command runs", func() bool { s := p.Report().Steps; return s[1].State == proxy.StepRunning })
	h.link(1, false)
	eventually(t, "the plan is over", func() bool { p := all[1].member.Facts("db").Plan; return p.ID > 0 && !p.Runs() })
	admin(t, all[1:], proxy.AdminDrain)
	for _, n := range all[1:] {
		n.hears(n.dial())
	}
	h.link(1, true)
	all[0].ends(p, proxy.PlanFailed)
	admin(t, all, proxy.AdminDrain)
}

// TestRollOfAllNodes: the report has a row for each node and backend, and clients keep coming on
// all nodes.
func TestRollOfAllNodes(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, restartable(2, "true"))
	stop := make(chan struct{})
	ended := make(chan error, len(all))
	for _, n := range all {
		go func() { ended <- n.visits(stop) }()
	}
	p, err := all[2].svc.StartRoll(all[2].plans(nil))
	if err != nil {
		t.Fatal(err)
	}
	r := all[2].ends(p, proxy.PlanDone)
	close(stop)
	for range all {
		if err := <-ended; err != nil {
			t.Errorf("a client failed: %v", err)
		}
	}
	if said := proxy.AcrossNodes(r.Nodes); said != "failed 0 on 3 of 3 nodes" || len(r.Nodes) != 6 {
		t.Errorf("it reports %s: %+v", said, r.Nodes)
	}
	for i, n := range r.Nodes {
		if want := []string{"a", "b"}[i/3]; n.Backend != want || n.State != proxy.NodeDone {
			t.Errorf("row %d: %+v", i, n)
		}
	}
	if f := all[0].member.Facts("db"); len(f.Backends) > 0 || f.Plan.Backend != "b" {
		t.Errorf("afterwards: %+v", f)
	}
}

// visits makes one client after another send something, until stop is closed.
func (n *scoped) visits(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		c, err := net.Dial("tcp", n.svc.Info().Listen[0])
		if err != nil {
			return err
		}
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintln(c, "hello")
		_, err = bufio.NewReader(c).ReadString('\n')
		c.Close()
		if err != nil {
			return err
		}
	}
}

// TestRule37ADrainOfAllNodes: it shows each node's part: how many sessions are live there, how many
// its limit has cut, and whether it is done.
func TestRule37ADrainOfAllNodes(t *testing.T) {
	t.Parallel()
	_, all := threeNodes(t, 10*second, restartable(1, "true"))
	for _, i := range []int{1, 2, 2} {
		all[i].hears(all[i].dial())
	}
	ends := all[1].dial()
	all[1].hears(ends)
	drain := func(limit time.Duration) {
		t.Helper()
		all[0].must("drain", "db/a", func(r *api.Request) { r.Limit, r.Then = limit, proxy.ThenCut })
	}
	drain(time.Minute)
	parts := func() (text string) {
		for _, d := range all[0].member.Drains() {
			for i := range d.Nodes {
				text += fmt.Sprintf("%s %s, %s; ", d.Nodes[i].Node, d.Nodes[i].State, d.Part(&d.Nodes[i]))
			}
		}
		return text
	}
	untilParts := func(want string) {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Logf("it has %s", parts())
			}
		}()
		eventually(t, want, func() bool { return parts() == want })
	}
	untilParts("node-1 done, 0 live; node-2 draining, 2 live; node-3 draining, 2 live; ")
	ends.Close()
	untilParts("node-1 done, 0 live; node-2 draining, 1 live; node-3 draining, 2 live; ")
	drain(time.Millisecond)
	untilParts("node-1 done, 0 live; node-2 done, 0 live, 1 cut; node-3 done, 0 live, 2 cut; ")
	all[2].must("ready", "db/a", nil)
	untilParts("")
	all[1].hears(all[1].dial())
}

// TestRule37TheLimitOfADrain: with abort, if it passes on one node, the backend becomes ready on all nodes
// together, even if that cannot be agreed on at first. A newer drain stays in force.
func TestRule37TheLimitOfADrain(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, 10*second, restartable(1, "true"))
	live := all[1].dial()
	all[1].hears(live)
	limited := func(limit time.Duration) func(*api.Request) {
		return func(r *api.Request) { r.Limit, r.Then = limit, proxy.ThenAbort }
	}
	all[0].must("drain", "db/a", limited(300*time.Millisecond))
	eventually(t, "the drain is given up", func() bool { return len(all[0].member.Drains()) == 0 })
	admin(t, all, proxy.AdminReady)
	for _, n := range all {
		n.hears(n.dial())
	}

	all[0].must("drain", "db/a", limited(2*time.Second))
	over := func() bool { return len(all[1].member.Facts("db").Backends) == 0 }
	all[1].until("it drains", func(i proxy.ServiceInfo) bool { return i.Backends[0].Admin == proxy.AdminDrain || over() })
	h.stop(true)
	all[1].until("its limit has passed", func(i proxy.ServiceInfo) bool {
		return i.Backends[0].Admin != proxy.AdminDrain || i.Backends[0].Drain != nil && i.Backends[0].Drain.Until == nil
	})
	if i := all[1].svc.Info(); i.Backends[0].Admin == proxy.AdminReady && !over() {
		t.Errorf("it is ready on one node alone: %+v", i.Backends[0])
	}
	h.stop(false)
	admin(t, all, proxy.AdminReady)

	all[0].must("drain", "db/a", limited(time.Minute))
	admin(t, all, proxy.AdminDrain)
}

// TestRule37ALimitThatIsSaidAgain: a passed limit was reported under a lease that was lost before
// any voter received the report.
func TestRule37ALimitThatIsSaidAgain(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, lostLease, nil)
	live := all[2].dial()
	all[2].hears(live)
	all[0].must("pause", "db", func(r *api.Request) { r.Limit = lostLease / 3 })
	all[2].until("it pauses, or has", func(i proxy.ServiceInfo) bool {
		p := all[2].member.Facts("db").Plan
		return i.Pause != nil || p.ID > 0 && !p.Runs()
	})
	h.link(3, false)
	eventually(t, "its lease is over", func() bool { return !all[0].member.Facts("db").Nodes[2].Lease })
	h.link(3, true)
	for _, n := range all {
		n.until("it is open", func(i proxy.ServiceInfo) bool { return i.State == proxy.StateOpen })
	}
}

// rolled runs the window of one backend in a roll, to its end.
func (n *scoped) rolled(roll planned, backend string) {
	n.Helper()
	ctx := context.Background()
	w, err := roll.Begin(ctx, backend)
	if err != nil {
		n.Fatal(err)
	}
	if _, err := w.Settled(ctx); err != nil {
		n.Fatal(err)
	}
	if err := w.Command(ctx, true); err != nil {
		n.Fatal(err)
	}
	if said := n.ended(w); said != "failed 0 on 3 of 3 nodes" {
		n.Errorf("%s: it reports %s", backend, said)
	}
}

func (n *scoped) roll(longest time.Duration) planned {
	return planned{n.member, rand.Text(), &api.Request{By: "ana", Options: api.Options{Limit: time.Minute, Then: proxy.ThenAbort, Max: longest}}}
}

// TestRule27NothingBeginsInARoll: no other plan begins on any node between its first backend and its end,
// even if the end is reported while there is no leader.
func TestRule27NothingBeginsInARoll(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, 10*second, restartable(2, "true"))
	ctx := context.Background()
	roll := all[0].roll(time.Minute)
	all[0].rolled(roll, "a")
	refused := func(when string) {
		t.Helper()
		for _, n := range all {
			eventually(t, "it knows that the service is reserved", func() bool { return n.member.Facts("db").Plan.Reserved })
			if _, err := n.do("pause", "db", nil); err == nil || !strings.Contains(err.Error(), "a roll of db is under way on all nodes, by ana on node-1, between two backends") {
				t.Errorf("%s, a pause: %v", when, err)
			}
			if _, err := n.roll(time.Minute).Begin(ctx, "b"); err == nil || !strings.Contains(err.Error(), "a roll of db is under way") {
				t.Errorf("%s, another roll: %v", when, err)
			}
		}
		if p := all[2].member.Plans(); len(p) != 1 || p[0].Step != "next" {
			t.Errorf("%s: %+v", when, p)
		}
	}
	refused("after the first")
	all[0].rolled(roll, "b")
	refused("after the last")
	member.SetSayWithin(all[0].member, second)
	h.stop(true)
	roll.End()
	h.stop(false)
	for _, n := range all {
		eventually(t, "the place is given up", func() bool { p := n.member.Facts("db").Plan; return !p.Reserved })
	}
	all[1].must("pause", "db", nil)
	all[1].must("resume", "db", nil)
}

// TestRule27ARollWhoseOwnerIsLost: it does not reserve the service for ever, and does not continue once it has lost the
// reservation.
func TestRule27ARollWhoseOwnerIsLost(t *testing.T) {
	t.Parallel()
	h, all := threeNodes(t, 3*second, restartable(2, "true"))
	roll := all[0].roll(3 * time.Second)
	all[0].rolled(roll, "a")
	h.link(1, false)
	eventually(t, "the place is given up", func() bool { p := all[1].member.Facts("db").Plan; return p.ID > 0 && !p.Reserved })
	h.link(1, true)
	eventually(t, "it is back, and knows that", func() bool {
		p := all[0].member.Facts("db").Plan
		return all[0].member.Lease() > 0 && !p.Reserved
	})
	if _, err := roll.Begin(context.Background(), "b"); err == nil || !strings.Contains(err.Error(), "the roll's place was given up") {
		t.Errorf("the roll continues: %v", err)
	}
	all[2].must("pause", "db", nil)
}

// TestRule28ABeginThatIsNotConfirmed: it is given up after a while; if it begins nevertheless, it is ended
// on all nodes, so that no pause stays that no operator knows about.
func TestRule28ABeginThatIsNotConfirmed(t *testing.T) {
	t.Parallel()
	for what, begin := range map[string]func(context.Context, *scoped) error{
		"window": func(ctx context.Context, n *scoped) error {
			_, err := n.member.Window(ctx, "db", "", &api.Request{By: "ana", Options: api.Options{Then: proxy.ThenAbort, Max: time.Hour}})
			return err
		},
		"roll": func(ctx context.Context, n *scoped) error {
			_, err := n.roll(time.Hour).Begin(ctx, "a")
			return err
		},
		"pause": func(ctx context.Context, n *scoped) error {
			_, err := n.member.Do(ctx, "db", &api.Request{Act: "pause", Targets: []string{"db"}, By: "ana", Options: api.Options{Max: time.Hour}})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h, all := threeNodes(t, 10*second, restartable(2, "true"))
			member.SetSayWithin(all[0].member, second)
			h.stop(true)
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			err := begin(ctx, all[0])
			cancel()
			var refused *api.Error
			if !errors.As(err, &refused) || refused.Status != api.StatusNoQuorum || !strings.Contains(refused.Text, "it is given up") {
				t.Errorf("not confirmed: %v", err)
			}
			h.stop(false)
			for _, n := range all {
				eventually(t, "it has begun, and is over", func() bool {
					p := n.member.Facts("db").Plan
					return p.ID > 0 && !p.Runs() && strings.Contains(p.End, "its begin was not confirmed in time")
				})
				n.until("it is open", func(i proxy.ServiceInfo) bool { return i.State == proxy.StateOpen })
				n.hears(n.dial())
			}
			all[1].must("pause", "db", nil)
			all[1].must("resume", "db", nil)
		})
	}
}
