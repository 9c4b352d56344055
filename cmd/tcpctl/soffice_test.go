package main

import (
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
)

// TestTheReadmesLibreOffice: its file is the one in testdata, and runs.
func TestTheReadmesLibreOffice(t *testing.T) {
	const path = "examples/libreoffice.toml"
	if !strings.Contains(readFile(t, "../../README.md"), "```toml\n"+readFile(t, path)+"```") {
		t.Error("the README has another one")
	}
	file, err := config.Load(path)
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
