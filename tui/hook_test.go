package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// A hook that holds clients is a line of its service.
func TestAHookThatFailsIsSeen(t *testing.T) {
	engine := edge()
	next := start.Add(4 * time.Second)
	for i := range engine.status.Services {
		if s := &engine.status.Services[i]; s.Name == "office" {
			s.Hook = &proxy.HookInfo{State: proxy.HookRetrying, Name: "on_ttl", Failed: 3, NextTry: &next}
		}
	}
	c := newConsole(t, engine, 140, 45)
	if got := c.screen(); !strings.Contains(got, "! on_ttl failed 3 times, next try in 4s") {
		t.Errorf("the hook is not there:\n%s", got)
	}
}
