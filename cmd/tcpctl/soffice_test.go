package main

import (
	"testing"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
)

// TestTheLibreOfficeExampleMeansALock: the example admits one client at a time, with a restart in between.
func TestTheLibreOfficeExampleMeansALock(t *testing.T) {
	file, err := config.Load("examples/libreoffice.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := file.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	if w := file.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
	c := cfg.Services[0]
	if h := c.Hooks; c.Lock.Slots != 1 || h.BeforeNext.Every != 20 || len(h.BeforeNext.Run) != 3 || h.Ready != proxy.ReadyConnect || h.Shared {
		t.Errorf("%+v %+v", c.Lock, h)
	}
}
