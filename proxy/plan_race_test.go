package proxy_test

import (
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestAPlanIsWholeBeforeItIsSeen: its report is complete from the beginning, and a
// reload may change the backend that it restarts.
func TestAPlanIsWholeBeforeItIsSeen(t *testing.T) {
	t.Parallel()
	s := newServer(t, "a")
	b := s.backend()
	b.Restart = []string{"true"}
	c := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{b},
		Check: proxy.CheckConfig{Interval: 20 * time.Millisecond, Rise: 1}}
	v := start(t, c)
	v.untilUp()
	proxytest.Repeat(t, 1, func() bool {
		for range 20 {
			if p := v.Plan(""); p != nil {
				if r := p.Report(); len(r.Backends) != 1 || r.ID == "" {
					t.Errorf("%+v", r)
				}
			}
			v.svc.Info()
		}
		return true
	})
	n := 0
	proxytest.Repeat(t, 1, func() bool {
		n++
		c := c
		c.Backends = []proxy.BackendConfig{b}
		c.Backends[0].ReadyTimeout = time.Duration(10+n%2) * time.Second
		if _, err := v.Apply(proxy.Config{Services: []proxy.ServiceConfig{c}}); err != nil {
			t.Error(err)
		}
		v.svc.Backend("a").Addr()
		return true
	})
	for range 10 {
		if r := v.ended(v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana"})); r.State != proxy.PlanDone {
			t.Errorf("%+v", r)
		}
	}
}
