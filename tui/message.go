package tui

import (
	"errors"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// message is the console's message line. A message stays until it is dismissed or replaced.
type message struct {
	text string
	role themes.Role
}

// refusal is an error of the console itself.
func refusal(text string) error { return &api.Error{Text: text} }

func (l *message) say(err error) { l.show(proxy.LevelWarn, errorText(err)) }

// show shows a message.
func (l *message) show(level, text string) {
	role := themes.Info
	switch level {
	case proxy.LevelWarn:
		role = themes.Warn
	case proxy.LevelAlarm:
		role = themes.Error
	case proxy.LevelGood:
		role = themes.OK
	}
	*l = message{screen.Safe(text), role}
}

func (l *message) dismiss() { *l = message{} }

// errorText returns an error with what to try next.
func errorText(err error) string {
	if e, ok := errors.AsType[*api.Error](err); ok && e.Hint != "" {
		return e.Text + " (" + e.Hint + ")"
	}
	return err.Error()
}
