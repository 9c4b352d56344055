package tui

import (
	"errors"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// message is the one line that the console says something in. It stays until
// it is dismissed or another one comes; all are kept in Events.
type message struct {
	text string
	role themes.Role
}

// refusal is a thing that the console itself will not do.
func refusal(text string) error { return &api.Error{Text: text} }

// say shows an error, or a text when err is nil, and keeps it.
func (m *model) say(err error, text string) {
	level := proxy.LevelInfo
	if err != nil {
		level, text = proxy.LevelWarn, errorText(err)
	}
	m.note(level, text)
}

// note shows a line and keeps it in Events.
func (m *model) note(level, text string) {
	m.show(level, text)
	m.world.journal.note(m.engineNow(), level, text)
	m.eventsPane().refresh(m)
}

// show shows a line that is kept elsewhere: the engine's own events.
func (m *model) show(level, text string) {
	role := themes.Info
	switch level {
	case proxy.LevelWarn:
		role = themes.Warn
	case proxy.LevelAlarm:
		role = themes.Error
	case proxy.LevelGood:
		role = themes.OK
	}
	m.message = message{screen.Safe(text), role}
	m.changed()
}

func (m *model) dismiss() {
	m.message = message{}
	m.changed()
}

// errorText is an error as a person reads it, with what to try next.
func errorText(err error) string {
	var e *api.Error
	if errors.As(err, &e) && e.Hint != "" {
		return e.Text + " (" + e.Hint + ")"
	}
	return err.Error()
}
