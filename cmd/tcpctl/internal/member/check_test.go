package member_test

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/member"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// A checkPort is the port on which a backend is checked. It records whether the backend has clients during a check.
type checkPort struct {
	*testing.T
	port    int
	mu      sync.Mutex
	backend *backend
	checks  int
	beside  int // clients
}

func newCheckPort(t *testing.T) *checkPort {
	p := &checkPort{T: t}
	addr := proxytest.Serve(t, p.serve)
	p.port = int(netip.MustParseAddrPort(addr).Port())
	return p
}

func (p *checkPort) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		return
	}
	clients := p.clients()
	time.Sleep(time.Millisecond)
	clients += p.clients()
	p.mu.Lock()
	p.checks++
	if p.checks > 3 { // the first checks of each node need no slot, since the backend is not up
		p.beside += clients
	}
	p.mu.Unlock()
	fmt.Fprintln(c, "well")
}

// clients returns how many clients the backend has; 0 before there is one.
func (p *checkPort) clients() int {
	p.mu.Lock()
	b := p.backend
	p.mu.Unlock()
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

// config returns the configuration of checks on this port.
func (p *checkPort) config() proxy.CheckConfig {
	return proxy.CheckConfig{Type: "send-expect", Send: "are you well\n", Want: "well", Interval: 10 * time.Millisecond, Port: p.port}
}

func (p *checkPort) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.checks
}

// more waits for n more checks.
func (p *checkPort) more(n int) {
	p.Helper()
	from := p.count()
	eventually(p.T, "it is checked", func() bool { return p.count() >= from+n })
}

// TestRule25dAChecksSlot: checks use the same slots as clients. No check is made while a client of any
// node has the only slot, and clients are served between checks.
func TestRule25dAChecksSlot(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		p := newCheckPort(t)
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{}, func(_ int, c *proxy.ServiceConfig, _ *member.Config) {
			c.Check = p.config()
		})
		p.mu.Lock()
		p.backend = r.backend
		p.mu.Unlock()
		p.more(10)
		holder := r.nodes[0].dial("holder")
		holder.hears("a")
		before := p.count()
		time.Sleep(300 * time.Millisecond)
		if n := p.count(); n != before {
			t.Errorf("%d checks beside a client that has the only slot", n-before)
		}
		next := r.nodes[1].dial("next")
		holder.leaves()
		next.hears("a")
		next.leaves()
		p.more(10)
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				v := r.nodes[i%3].dial(fmt.Sprint("client", i))
				v.hears("a")
				v.leaves()
			})
		}
		all.Wait()
		p.more(10)
		r.backend.atMost(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.beside > 0 {
			t.Errorf("of %d checks, some were beside %d clients", p.checks, p.beside)
		}
	})
}

// TestRule25dASlotThatWasLost: a check can use it, since otherwise none would be made before the next client; but not
// if on_expire must run first.
func TestRule25dASlotThatWasLost(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, hooked := range []bool{false, true} {
			t.Run(fmt.Sprintf("on_expire %v", hooked), func(t *testing.T) {
				t.Parallel()
				p, d, hooks := newCheckPort(t), &diary{}, proxy.Hooks{}
				if hooked {
					hooks.OnExpire = proxy.Hook{Func: d.hook}
				}
				r := newRig(t, lostLease, relay, proxy.ServiceConfig{Hooks: hooks}, func(_ int, c *proxy.ServiceConfig, _ *member.Config) {
					c.Check = p.config()
				})
				p.more(10)
				holder := r.nodes[2].dial("holder")
				holder.hears("a")
				r.link(3, false)
				holder.ends()
				if !hooked {
					p.more(10)
					return
				}
				next := r.nodes[0].dial("next")
				next.hears("a")
				next.leaves()
				if len(d.all()) == 0 {
					t.Error("a check has taken what on_expire was to run for")
				}
			})
		}
	})
}

// TestRule25dChecksAreNotCounted: with before_next, checks get no grants, which it would count.
func TestRule25dChecksAreNotCounted(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		p, d := newCheckPort(t), &diary{}
		r := newRig(t, 10*second, relay, proxy.ServiceConfig{Hooks: proxy.Hooks{BeforeNext: proxy.Hook{Func: d.hook, Every: 2}, Ready: proxy.ReadyNone}},
			func(_ int, c *proxy.ServiceConfig, _ *member.Config) { c.Check = p.config() })
		for i := range 4 {
			p.more(5)
			v := r.nodes[i%3].queue(fmt.Sprint(i))
			if token := v.hears("a"); token != uint64(i+1) {
				t.Errorf("client %d has token %d", i, token)
			}
			v.leaves()
		}
		r.records()
		if n := len(d.all()); n != 2 {
			t.Errorf("before_next ran %d times for 4 clients", n)
		}
	})
}
