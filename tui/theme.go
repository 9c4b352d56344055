package tui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// themeMsg is a theme that was read because it was chosen, or its file was saved.
type themeMsg struct {
	stamp string // of its files; without a theme, their first stamp
	theme *themes.Theme
	err   error
}

// themeListMsg is all themes, read for the picker.
type themeListMsg struct {
	list  []*themes.Theme
	wrong []string
}

// loadThemes reads all themes, so that the picker can preview each at once.
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
		m.message.say(refusal(msg.wrong[0]))
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

// setTheme shows another theme.
type setTheme struct{ theme *themes.Theme }

func (t setTheme) apply(m *model) tea.Cmd {
	m.colours.choose(t.theme)
	return nil
}
