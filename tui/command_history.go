package tui

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	tea "github.com/charmbracelet/bubbletea"
)

// linesKept is the number of lines kept in the history.
const linesKept = 500

// lineHistory is what was typed on the command line, newest last.
type lineHistory struct {
	lines []string
	file  *lineFile // nil: in memory only
}

// lineFile writes whole lists one after another, and never an older one last: Bubble Tea runs
// commands concurrently.
type lineFile struct {
	path   string
	newest atomic.Pointer[string] // nil: already written
	mu     sync.Mutex
}

func (f *lineFile) write() tea.Msg {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, fresh := f.newest.Swap(nil), f.path+".new"
	if text != nil && os.MkdirAll(filepath.Dir(f.path), 0o700) == nil && os.WriteFile(fresh, []byte(*text), 0o600) == nil {
		_ = os.Rename(fresh, f.path)
	}
	return nil
}

// load reads the lines of earlier runs. An unreadable file counts as empty, since nothing depends
// on it.
func (t *lineHistory) load(file string) {
	if file == "" {
		return
	}
	t.file = &lineFile{path: file}
	text, err := os.ReadFile(file)
	if err != nil || len(text) > 1<<20 {
		return
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			t.lines = append(t.lines, line)
		}
	}
	t.lines = t.lines[max(len(t.lines)-linesKept, 0):]
}

// add keeps a line, unless it repeats the one before.
func (t *lineHistory) add(line string) tea.Cmd {
	if n := len(t.lines); line == "" || n > 0 && t.lines[n-1] == line {
		return nil
	}
	t.lines = append(t.lines, line)
	t.lines = t.lines[max(len(t.lines)-linesKept, 0):]
	if t.file == nil {
		return nil
	}
	text := strings.Join(t.lines, "\n") + "\n"
	t.file.newest.Store(&text)
	return guard(t.file.write)
}
