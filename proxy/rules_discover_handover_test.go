//go:build unix

package proxy_test

import (
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule40dUpgrade: after an upgrade the engine begins with the discovered backends,
// unchanged.
func TestRule40dUpgrade(t *testing.T) {
	t.Parallel()
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

// TestRule40aAfterARestart: what was saved is applied once the source names the
// backend, also after a restart.
func TestRule40aAfterARestart(t *testing.T) {
	t.Parallel()
	a, b, c := newServer(t, "a"), newServer(t, "b"), newServer(t, "c")
	cfg := discovering()
	cfg.Name, cfg.Listen = "db", []string{"127.0.0.1:0"}
	v := start(t, cfg)
	v.found(a, b, c)
	v.untilUp()
	v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana"}))
	v.must(v.svc.Backend("b").SetWeight(4, "ana", ""))
	v.must(v.svc.Backend("c").Remove(proxy.DrainOptions{By: "ana"}))
	v.untilNames("a/maint b=4")
	saved := overTheWire(t, proxy.HandoverOf(v.Engine).Save())
	v.Close()

	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{cfg}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	proxy.HandoverOf(e).Restore(saved)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	v = &visit{TB: t, Engine: e, svc: e.Service("db")}
	if got := v.names(); got != "" {
		t.Errorf("before the first answer there are %s", got)
	}
	if again := proxy.HandoverOf(e).Save()["db"]; len(again) != 3 || again["a"].Admin != proxy.AdminMaint || *again["b"].Weight != 4 || again["c"].Removed == nil {
		t.Errorf("before the first answer it would save %+v", again)
	}
	v.found(a, b, c)
	v.untilNames("a/maint b=4")
	v.found(a, b, c)
	v.found(a, b)
	v.found(a, b, c)
	v.untilNames("a/maint b=4 c")
}
