package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestFlowsOfReplacedNames: a service and a backend that are being removed next to successors of the
// same name are rows of their own, are no trouble, and do not change the numbers of their successors.
func TestFlowsOfReplacedNames(t *testing.T) {
	service := func(removing bool) proxy.ServiceInfo {
		s := proxy.ServiceInfo{Name: "shop", State: proxy.StateOpen, Removing: removing}
		if removing {
			s.State = proxy.StateClosed
		}
		s.Backends = []proxy.BackendInfo{{Name: "a", Addr: "10.0.0.1:80", State: proxy.StateUp, Admin: proxy.AdminReady, Eligible: true}}
		return s
	}
	engine := &fake{status: api.Status{Node: api.Node{Name: "edge-01", Now: start}, Services: []proxy.ServiceInfo{service(false), service(true)}}}
	old := engine.status.Services[0].Backends[0]
	old.Removing, old.Addr = true, "10.0.0.9:80"
	engine.status.Services[0].Backends = append([]proxy.BackendInfo{old}, engine.status.Services[0].Backends...)
	c := newConsole(t, engine, 140, 45)
	for range 3 {
		c.engine.change(func(f *fake) {
			for i, more := range []int64{100, 1_000_000} {
				f.status.Services[i].BytesIn += more
			}
			for i, more := range []int64{1_000_000, 10} {
				f.status.Services[0].Backends[i].BytesIn += more
			}
		})
		c.pass(time.Second)
	}
	if s, b := c.stats.flows["shop"], c.stats.flows["shop/a"]; s.in != 100 || b.in != 10 {
		t.Errorf("%v and %v bytes/s", s.in, b.in)
	}
	if text := c.screen(); strings.Contains(text, "CLOSED") || strings.Count(text, "REMOVE") != 2 || strings.Contains(text, "listeners") {
		t.Error(text)
	}
	for _, r := range c.backends.table.Rows() {
		want := map[bool]float64{true: 100, false: 10}[r.backend == nil]
		if r.service.Removing || r.backend != nil && r.backend.Removing {
			want = 0
		}
		if r.flow.in != want {
			t.Errorf("%s: %v bytes/s, want %v", r.target, r.flow.in, want)
		}
	}
}
