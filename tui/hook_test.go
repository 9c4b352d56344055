package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// A hook that delays clients is shown in a line of its service.
func TestAFailingHookIsShown(t *testing.T) {
	engine := edge()
	next := start.Add(4 * time.Second)
	for i := range engine.status.Services {
		if s := &engine.status.Services[i]; s.Name == "office" {
			s.Hook = &proxy.HookInfo{State: proxy.HookRetrying, Name: "on_ttl", Failed: 3, NextTry: &next}
		}
	}
	c := newConsole(t, engine, 140, 45)
	if got := c.screen(); !strings.Contains(got, "! on_ttl failed 3 times, next try in 4s") {
		t.Errorf("the hook is not shown:\n%s", got)
	}
}

// How the backends of a service were found is shown in a line of it, too: the worst of several
// sources.
func TestASourceOfBackendsIsShown(t *testing.T) {
	engine := edge()
	at := start.Add(-12 * time.Second)
	source := func(kind string) proxy.DiscoveryInfo {
		return proxy.DiscoveryInfo{DiscoverySource: proxy.DiscoverySource{Kind: kind}, Backends: 3, At: &at}
	}
	for i := range engine.status.Services {
		if s := &engine.status.Services[i]; s.Name == "office" {
			s.Discovery = []proxy.DiscoveryInfo{source("srv")}
		}
	}
	if got := newConsole(t, engine, 140, 45).screen(); !strings.Contains(got, "found by srv, 12s ago") {
		t.Errorf("the source is not shown:\n%s", got)
	}
	for i := range engine.status.Services {
		if s := &engine.status.Services[i]; s.Name == "office" {
			s.Discovery = []proxy.DiscoveryInfo{source("srv"), source("dns")}
			s.Discovery[1].Error = "SERVFAIL"
		}
	}
	if got := newConsole(t, engine, 140, 45).screen(); !strings.Contains(got, "! found by dns, 12s ago; no answer since then: SERVFAIL") ||
		strings.Contains(got, "by srv") || !strings.Contains(got, "SOURCE") {
		t.Errorf("the failing source is not shown:\n%s", got)
	}
}
