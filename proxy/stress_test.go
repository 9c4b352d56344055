package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestNoSlotIsLost: clients that come and go in all ways, backends that die and come
// back, and an operator who does everything at once. Afterwards nothing remains: no
// slot is taken, each session has one record, and the counters agree with the records.
func TestNoSlotIsLost(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, how := range []string{proxy.Hold, proxy.Reject} {
			t.Run(how, func(t *testing.T) { stress(t, relay, how) })
		}
	})
}

func stress(t *testing.T, relay, how string) {
	const slots = 3
	servers := []*server{newServer(t, "a"), newServer(t, "b"), newServer(t, "c")}
	c := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Relay: relay, NoBackend: how, Balance: "p2c",
		Lock: proxy.LockConfig{Slots: slots, TTL: 300 * time.Millisecond}, Queue: proxy.QueueConfig{Timeout: 500 * time.Millisecond, Max: 20}, Check: quick(1, 1)}
	for _, s := range servers {
		c.Backends = append(c.Backends, s.backend())
	}
	v := start(t, c)
	addr := v.addr()
	over := make(chan struct{})
	var all sync.WaitGroup
	var came atomic.Int64
	repeat := func(do func(r *rand.Rand, n int)) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(came.Add(1))))
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
					do(r, n)
				}
			}
		})
	}
	for range 30 {
		repeat(func(r *rand.Rand, n int) { comeAndGo(addr, r) })
	}
	repeat(func(r *rand.Rand, n int) { // a backend dies
		s := servers[n%len(servers)]
		time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
		s.kill()
		time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
		s.restart(t)
	})
	repeat(func(r *rand.Rand, n int) { // an operator
		time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
		operate(v, r)
	})
	repeat(func(_ *rand.Rand, n int) { // a reader of the status
		i := v.svc.Info()
		if i.Sessions.Active > slots || i.Lock.InUse > slots {
			t.Errorf("%d sessions in %d slots", i.Sessions.Active, slots)
		}
		active := 0
		for _, b := range i.Backends {
			active += b.Active
		}
		if active != i.Sessions.Active {
			t.Errorf("%d sessions, %d at backends", i.Sessions.Active, active)
		}
		if n%10 == 0 { // what takes longer to read than clients take to come
			v.svc.Waiters()
			v.Sessions(true)
		}
		time.Sleep(time.Millisecond)
	})
	time.Sleep(time.Second)
	close(over)
	all.Wait()
	v.svc.Resume(proxy.ResumeOptions{By: "ana"})
	for _, b := range v.svc.Info().Backends {
		v.svc.Backend(b.Name).Ready("ana", "")
	}
	// A backend whose last client was ended without a byte is not up before the next is
	// served.
	v.until("all backends serve", func(i proxy.ServiceInfo) bool {
		return !slices.ContainsFunc(i.Backends, func(b proxy.BackendInfo) bool { return !b.Serves() })
	})
	i := v.untilIdle()
	if i.Sessions.Bypass != 0 || i.Lock.InUse != 0 {
		t.Errorf("afterwards %+v", i)
	}
	for _, b := range i.Backends {
		if b.Active != 0 {
			t.Errorf("afterwards %+v", b)
		}
	}
	c.Lock.TTL, c.Queue.Timeout = 0, patience // on a busy machine an answer may take longer than these
	if _, err := v.Apply(proxy.Config{Services: []proxy.ServiceConfig{c}}); err != nil {
		t.Fatal(err)
	}
	for range slots { // each slot is still available
		c := v.dial("after")
		if got := c.hear(); len(got) != len("a after") {
			t.Fatalf("got %q", got)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	v.Shutdown(ctx)
	balance(v)
}

// balance compares the counters with the records.
func balance(v *visit) {
	v.Helper()
	i := v.svc.Info()
	if int64(len(v.records)) != i.Sessions.Total {
		v.Errorf("%d records of %d sessions", len(v.records), i.Sessions.Total)
	}
	seen := map[string]bool{}
	var in, out, served, left, failedOrRejected, cut int64
	cuts := map[string]int{} // by whom and why
	for range len(v.records) {
		r := <-v.records
		if seen[r.ID] {
			v.Errorf("two records of %s", r.ID)
		}
		seen[r.ID] = true
		in, out = in+r.BytesIn, out+r.BytesOut
		switch {
		case r.Phase == proxy.PhaseRelay:
			served++
			// A backend's reset need not be a cut: its client may have gone, too.
			if r.By == proxy.ByProxy || r.By == proxy.ByOperator {
				cut++
				cuts[r.By+": "+r.Cause()]++
			}
		case r.By == proxy.ByClient:
			left++
		default:
			failedOrRejected++
		}
		if r.Served != (r.Phase == proxy.PhaseRelay) || r.By == "" || r.Reason == "" {
			v.Errorf("record %+v", r)
		}
	}
	var total, endings int64
	for _, b := range i.Backends {
		total += b.Total
	}
	for _, e := range i.Endings {
		endings += e.Count
	}
	if in != i.BytesIn || out != i.BytesOut || total != served || endings != i.Sessions.Total {
		v.Errorf("records: %d in, %d out, %d served; %d at backends, %d endings, %+v", in, out, served, total, endings, i)
	}
	if left < i.Queue.Abandoned || failedOrRejected != i.Sessions.Failed+i.Sessions.Rejected || i.Sessions.Cut < cut {
		v.Errorf("records: %d left, %d failed or rejected, %d cut %v; %+v", left, failedOrRejected, cut, cuts, i)
	}
}

// comeAndGo is one client, which behaves in one of many ways.
func comeAndGo(addr string, r *rand.Rand) {
	time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	way := r.IntN(8)
	if way == 0 {
		return // without a byte
	}
	fmt.Fprintln(c, "hello")
	if way == 1 {
		c.(*net.TCPConn).CloseWrite()
	}
	if way == 2 {
		c.(*net.TCPConn).SetLinger(0)
		return
	}
	c.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(400)) * time.Millisecond))
	in := bufio.NewReader(c)
	if _, err := in.ReadString('\n'); err != nil && way > 3 {
		c.(*net.TCPConn).SetLinger(0)
	}
	if way == 4 {
		c.SetReadDeadline(time.Now().Add(patience))
		in.ReadString('\n') // until the ttl
	}
}

// operate performs one random act of an operator.
func operate(v *visit, r *rand.Rand) {
	infos := v.svc.Info().Backends
	b := v.svc.Backend(infos[r.IntN(len(infos))].Name)
	o := proxy.DrainOptions{By: "ana", Limit: time.Duration(r.IntN(20)) * time.Millisecond,
		Then: []string{proxy.ThenAbort, proxy.ThenCut, proxy.ThenKeep}[r.IntN(3)]}
	switch r.IntN(8) {
	case 0:
		b.Drain(o)
	case 1:
		b.Maint(o)
	case 2, 3:
		b.Ready("ana", "")
	case 4:
		v.svc.Pause(proxy.PauseOptions{By: "ana", Limit: 20 * time.Millisecond, Then: o.Then, Max: 60 * time.Millisecond})
	case 5:
		v.svc.Resume(proxy.ResumeOptions{By: "ana", Rate: float64(r.IntN(2) * 1000)})
	case 6:
		if all := v.Sessions(false); len(all) > 0 {
			v.Kick("ana", "", all[r.IntN(len(all))].ID)
		}
	case 7:
		b.SetWeight(1+r.IntN(3), "ana", "")
	}
}
