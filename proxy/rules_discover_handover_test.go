//go:build unix

package proxy_test

import (
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// The engine after an upgrade begins with what was found, as it was left.
func TestRule40dUpgrade(t *testing.T) {
	a, b, c := newServer(t, "a"), newServer(t, "b"), newServer(t, "c")
	cfg := discovering()
	cfg.Name, cfg.Listen = "db", []string{"127.0.0.1:0"}
	v := start(t, cfg)
	v.found(a, b, c)
	v.untilUp()
	v.must(v.svc.Backend("b").Drain(proxy.DrainOptions{By: "ana"}))
	v.must(v.svc.Backend("c").Remove(proxy.DrainOptions{By: "ana"}))
	v.untilNames("a b/drain")
	g := &generations{TB: t, cfg: proxy.Config{Services: []proxy.ServiceConfig{cfg}}, last: v}
	v = g.next("old")
	if got := v.names(); got != "a b/drain" || v.backend("a").State != proxy.StateUp {
		t.Errorf("the next one has %s", got)
	}
	if d := v.svc.Discovered("discover"); len(d.Backends) != 3 || d.Source.At == nil {
		t.Errorf("the next one has found %+v", d)
	}
	v.dial("next").hears("a next")
	v.found(a, b, c)
	v.untilNames("a b/drain")
}
