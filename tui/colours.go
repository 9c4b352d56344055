package tui

import (
	"fmt"
	"os"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// colours is the theme in use, adapted to this terminal.
type colours struct {
	display *display // has the theme
	palette *screen.Palette
	profile termenv.Profile
	ascii   bool
	plain   bool
	stamp   string // stampOf the theme's files when they were read
	chosen  string // the theme that the operator chose; "": the configured one
}

// fit chooses glyphs, colours and theme from what the environment says about the terminal.
func (c *colours) fit(env func(string) (string, bool)) error {
	if env == nil {
		env = os.LookupEnv
	}
	can := capabilitiesOf(env)
	c.profile, c.ascii, c.plain = can.profile, can.ascii, can.plain
	t := c.display.theme
	if can.mono {
		var err error
		if t, err = themes.Load("mono", ""); err != nil {
			return err
		}
	}
	c.show(t)
	return nil
}

// show switches to a theme. The new palette causes a full redraw.
func (c *colours) show(t *themes.Theme) {
	if c.ascii {
		t = t.WithASCII()
	}
	c.display.theme, c.palette, c.stamp = t, screen.NewPalette(t, c.profile), ""
	c.palette.Plain = c.plain
}

// choose shows the theme that the operator has chosen, and remembers it.
func (c *colours) choose(t *themes.Theme) {
	c.show(t)
	c.chosen = t.Name
	if configured := c.display.cfg.Theme; configured != nil && configured.Name == t.Name || configured == nil && t.Name == "default" {
		c.chosen = ""
	}
}

// watch reads the theme again after its file was saved.
func (c *colours) watch() tea.Cmd {
	files := c.display.theme.Files
	if len(files) == 0 {
		return nil
	}
	name, dir, before := c.display.theme.Name, c.display.cfg.ThemeDir, c.stamp
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

// take shows a theme that was read, with a message; after an error, the current one stays.
func (c *colours) take(msg themeMsg, say *message) {
	switch {
	case msg.err != nil:
		text := msg.err.Error()
		if c.display.cfg.ThemeDir != "" {
			text = strings.ReplaceAll(text, c.display.cfg.ThemeDir+string(os.PathSeparator), "")
		}
		say.say(refusal(text))
	case msg.theme != nil:
		c.choose(msg.theme)
		say.show("info", "theme "+msg.theme.Name)
	}
	c.stamp = msg.stamp
}

// stampOf returns a string that changes when one of the files is saved.
func stampOf(files []string) string {
	stamp := ""
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
		}
	}
	return stamp
}
