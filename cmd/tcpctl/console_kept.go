package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/tui"
)

// consoleFile is the file in the state folder that says how consoles were left: a tui.Kept for each
// instance, and over SSH for each key.
const consoleFile = "console.json"

// keeping guards the file: several consoles over SSH run in one process.
var keeping sync.Mutex

// keepConsole restores how the last console of the same name was left, and saves how this one is
// left. Without a state folder nothing is saved. A theme from the configuration takes precedence
// over a saved one.
func keepConsole(cfg *tui.Config, name string) {
	dir, err := statedir.Make("")
	if err != nil {
		return
	}
	path := filepath.Join(dir, consoleFile)
	cfg.Kept = readKept(path)[name]
	if cfg.Theme != nil {
		cfg.Kept.Theme = ""
	}
	cfg.Keep = func(k tui.Kept) {
		keeping.Lock()
		defer keeping.Unlock()
		all := readKept(path) // read again: another console may have written meanwhile
		all[name] = k
		if err := writeKept(path, all); err != nil {
			slog.Debug("console: its settings were not saved: " + err.Error())
		}
	}
}

// readKept reads the file; it returns an empty map if that is missing or damaged.
func readKept(path string) map[string]tui.Kept {
	all := map[string]tui.Kept{}
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &all) != nil {
		all = map[string]tui.Kept{}
	}
	return all
}

// writeKept replaces the file atomically: a reader sees the old or the new one.
func writeKept(path string, all map[string]tui.Kept) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return statedir.Replace(path, append(text, '\n'))
}
