package api

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

func (l *Local) reload(_ *Status, _ *Act, r Request) (Result, error) {
	if l.Reload == nil {
		return Result{}, Refused("this instance runs without a configuration file", "start one with tcpctl run -c FILE")
	}
	changes, err := l.Reload(r.By)
	if err != nil {
		l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, Level: proxy.LevelWarn, By: r.By, Command: r.CommandLine(),
			Text: "reload refused: " + strings.ReplaceAll(strings.TrimPrefix(err.Error(), "proxy: "), "\n", " / ")})
		wrong := Refused(err.Error(), "the old configuration stays in force")
		if bad, ok := errors.AsType[*Error](err); ok {
			wrong.Status = bad.Status
			wrong.Hint += "; tcpctl check finds such errors before a reload"
		}
		return Result{}, wrong
	}
	if len(changes) == 0 {
		changes = []string{"nothing has changed"}
	}
	l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, By: r.By, Text: "reload: " + someOf(changes), Command: r.CommandLine()})
	return Result{Texts: changes}, nil
}

// someOf limits the texts of an event to a readable number.
func someOf(texts []string) string {
	const most = 8
	if len(texts) <= most {
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(texts[:most], "; "), len(texts)-most)
}

func (l *Local) mark(_ *Status, _ *Act, r Request) (Result, error) {
	l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventMark, By: r.By, Text: strings.Join(r.Args, " ")})
	return Result{Texts: []string{"noted"}}, nil
}

func (l *Local) stop(_ *Status, _ *Act, r Request) (Result, error) {
	if l.Stop == nil {
		return Result{}, Refused("this instance cannot be stopped through its console or socket", "terminate its process")
	}
	l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, By: r.By, Text: "stop", Command: r.CommandLine()})
	l.Stop(r.Grace, r.By, r.Reason)
	return Result{Texts: []string{"stopping"}}, nil
}

func (l *Local) upgrade(_ *Status, _ *Act, r Request) (Result, error) {
	if l.Upgrade == nil {
		return Result{}, Refused("this instance cannot be upgraded: it was not started by tcpctl run", "start it with tcpctl run -c FILE")
	}
	ev := proxy.Event{Kind: proxy.EventOperator, By: r.By, Command: r.CommandLine()}
	text, err := l.Upgrade(r.By)
	if err != nil {
		ev.Level, ev.Text = proxy.LevelWarn, "upgrade refused: "+err.Error()
		l.Engine.Operator().Note(ev)
		return Result{}, AsError(err)
	}
	ev.Text = "upgrade: " + text
	l.Engine.Operator().Note(ev)
	return Result{Texts: []string{text}}, nil
}
