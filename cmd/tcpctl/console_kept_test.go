package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui"
)

// How a console was left is saved for each instance; a damaged file only loses that.
func TestHowAConsoleWasLeftIsKept(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STATE_DIRECTORY", dir)
	var cfg, other tui.Config
	keepConsole(&cfg, "edge-01")
	keepConsole(&other, "edge-02")
	cfg.Keep(tui.Kept{Theme: "dark", View: "db", Panes: map[string]tui.KeptPane{"Backends": {Sort: 3, Desc: true}}})
	other.Keep(tui.Kept{Zoom: true})
	var again tui.Config
	keepConsole(&again, "edge-01")
	if k := again.Kept; k.Theme != "dark" || k.View != "db" || k.Zoom || k.Panes["Backends"].Sort != 3 {
		t.Errorf("%+v", k)
	}
	theme, err := themes.Load("light", "")
	if err != nil {
		t.Fatal(err)
	}
	configured := tui.Config{Theme: theme}
	if keepConsole(&configured, "edge-01"); configured.Kept.Theme != "" {
		t.Error("the configured theme is overridden")
	}
	if err := os.WriteFile(filepath.Join(dir, consoleFile), []byte("{damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	var fresh tui.Config
	keepConsole(&fresh, "edge-01")
	fresh.Keep(tui.Kept{View: "web"})
	keepConsole(&fresh, "edge-01")
	if fresh.Kept.View != "web" {
		t.Errorf("after a damaged file: %+v", fresh.Kept)
	}
}
