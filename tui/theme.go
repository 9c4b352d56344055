package tui

import (
	"fmt"
	"os"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// themeMsg is a theme that was read: one that was chosen, or saved.
type themeMsg struct {
	stamp string // of its files; with no theme, what they were at first
	theme *themes.Theme
	err   error
}

// themeListMsg is all themes, read for the picker.
type themeListMsg struct {
	list  []*themes.Theme
	wrong []string
}

// loadThemes reads all themes: each is shown as soon as the cursor is on it.
func loadThemes(f *frame) intent {
	dir := f.cfg.ThemeDir
	return inBackground(func() tea.Msg {
		var msg themeListMsg
		for _, e := range themes.List(dir) {
			t, err := themes.Load(e.Name, dir)
			if err != nil {
				msg.wrong = append(msg.wrong, err.Error())
				continue
			}
			msg.list = append(msg.list, t)
		}
		return msg
	})
}

func (m *model) onThemeList(msg themeListMsg) {
	if len(msg.wrong) > 0 {
		m.say(refusal(msg.wrong[0]))
	}
	if len(msg.list) == 0 {
		return
	}
	before := m.theme
	p := &picker{title: "Theme"}
	for i, t := range msg.list {
		p.items = append(p.items, fmt.Sprintf("%-14s %s", screen.Safe(t.Name), screen.Safe(t.About)))
		if t.Name == before.Name {
			p.at = i
		}
	}
	p.preview = func(i int) intent { return setTheme{msg.list[i]} }
	p.choose, p.cancel = p.preview, setTheme{before}
	m.over = append(m.over, p)
	m.changed()
}

// themed shows another theme.
type setTheme struct{ theme *themes.Theme }

func (t setTheme) apply(m *model) tea.Cmd {
	m.setTheme(t.theme)
	m.choose(t.theme)
	return nil
}

// watchTheme reads the theme again when the user has saved it.
func (m *model) watchTheme() tea.Cmd {
	files := m.theme.Files
	if len(files) == 0 || m.blurred {
		return nil
	}
	name, dir, before := m.theme.Name, m.cfg.ThemeDir, m.themeStamp
	return guard(func() tea.Msg {
		stamp := stampOf(files)
		switch {
		case stamp == before:
			return nil
		case before == "":
			return themeMsg{stamp: stamp}
		}
		t, err := themes.Load(name, dir)
		return themeMsg{stamp, t, err}
	})
}

func (m *model) onTheme(msg themeMsg) {
	m.themeStamp = msg.stamp
	switch {
	case msg.err != nil:
		text := msg.err.Error()
		if m.cfg.ThemeDir != "" {
			text = strings.ReplaceAll(text, m.cfg.ThemeDir+string(os.PathSeparator), "")
		}
		m.say(refusal(text)) // the one before stays
	case msg.theme != nil:
		m.setTheme(msg.theme)
		m.choose(msg.theme)
		m.themeStamp = msg.stamp
		m.show("info", "theme "+msg.theme.Name)
	}
}

// stampOf changes when one of the files is saved.
func stampOf(files []string) string {
	stamp := ""
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
		}
	}
	return stamp
}
