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

// consoleFile is the file in the state folder with how consoles were left: a tui.Kept
// by the instance that each shows, and over SSH by the key that it is shown to.
const consoleFile = "console.json"

// keeping guards the file: consoles over SSH are in one process.
var keeping sync.Mutex

// keepConsole has a console begin as the last one of the same name was left, and
// keeps how this one is. Without a state folder nothing is kept. A theme that the
// configuration names is not overridden by one that was chosen once.
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
		all := readKept(path) // another console may have written meanwhile
		all[name] = k
		if err := writeKept(path, all); err != nil {
			slog.Debug("console: its settings were not kept: " + err.Error())
		}
	}
}

// readKept reads what was kept; nothing of a file that is missing or damaged.
func readKept(path string) map[string]tui.Kept {
	all := map[string]tui.Kept{}
	if text, err := os.ReadFile(path); err == nil && json.Unmarshal(text, &all) != nil {
		all = map[string]tui.Kept{}
	}
	return all
}

// writeKept replaces the file in one step: a reader sees the old or the new one.
func writeKept(path string, all map[string]tui.Kept) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), consoleFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // which fails once it has been renamed
	_, err = tmp.Write(append(text, '\n'))
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
