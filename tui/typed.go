package tui

import (
	"os"
	"path/filepath"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// typedKept is how many lines of the command line are kept.
const typedKept = 500

// typed is what was typed on the command line, the newest last.
type typed struct {
	lines []string
	file  string // "" keeps it in memory only
}

// load reads the lines of earlier days; a file that cannot be read is as good
// as none, as nothing depends on it.
func (t *typed) load(file string) {
	t.file = file
	if file == "" {
		return
	}
	text, err := os.ReadFile(file)
	if err != nil || len(text) > 1<<20 {
		return
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			t.lines = append(t.lines, line)
		}
	}
	t.lines = t.lines[max(len(t.lines)-typedKept, 0):]
}

// add keeps a line, unless it is the one before once more.
func (t *typed) add(line string) tea.Cmd {
	if n := len(t.lines); line == "" || n > 0 && t.lines[n-1] == line {
		return nil
	}
	t.lines = append(t.lines, line)
	t.lines = t.lines[max(len(t.lines)-typedKept, 0):]
	if t.file == "" {
		return nil
	}
	file, text := t.file, strings.Join(t.lines, "\n")+"\n"
	return guard(func() tea.Msg {
		if os.MkdirAll(filepath.Dir(file), 0o700) == nil {
			_ = os.WriteFile(file, []byte(text), 0o600)
		}
		return nil
	})
}
