package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// followedAct is an act of this console on one target, followed until its end: the message of an
// act must not claim a state that is over or was never reached.
type followedAct struct {
	act    *api.Act
	req    api.Request
	target string
	asked  time.Time // our clock, when the engine had answered
	since  time.Time // the engine's clock, in the last status before the act
	paused bool      // of a pause: it is in force, and its end is awaited
	ended  time.Time // our clock, when its end was seen; zero: not yet
	undo   bool      // it undoes another act
}

// reasonWait is how long the final message waits for the event that says why the act ended: events
// and status are fetched separately.
const reasonWait = time.Second

// followActs follows an act that the engine has accepted, in place of an earlier one on the same
// target.
func (w *workspace) followActs(a *actMsg, req api.Request, now time.Time) {
	act := a.p.act
	if a.res.Plan != "" {
		w.stats.ran = a.res.Plan // show its report, however soon it ends
	}
	targets := req.Targets
	if act.On == api.OnNothing {
		targets = []string{""}
	}
	for _, t := range targets {
		delete(w.follows, t)
		if act.HasProgress() && !act.Plan && a.answers == nil {
			w.follows[t] = &followedAct{act: act, req: req, target: t, asked: now, since: w.stats.now(), undo: a.p.undo}
		}
	}
}

// showEnds shows the outcome of this console's acts. asked is when the newest status was requested:
// one from before an act says nothing about it.
func (m *model) showEnds(asked time.Time) {
	for target, w := range m.follows {
		if !asked.After(w.asked) {
			continue
		}
		level, text := w.look(&m.frame)
		switch {
		case text == "":
			continue
		case level == "":
			m.message.show(proxy.LevelInfo, text) // progress
			continue
		}
		if w.undo {
			text = "undone: " + text
		}
		m.message.show(level, text)
		if !w.paused || !w.ended.IsZero() {
			delete(m.follows, target)
		}
	}
}

// look returns what to say about an act now, "" for nothing. Without a level, it is under way.
func (w *followedAct) look(f *frame) (level, text string) {
	p := w.act.Progress(f.stats.status, w.target, &w.req)
	switch {
	case w.paused && !p.Failed, !p.Done && w.act.Name != "stop":
		return "", ""
	case !p.Done:
		return "", screen.Safe(p.Text)
	case !p.Failed && !p.TimedOut && w.act.Name == "pause":
		w.paused = true
		return proxy.LevelGood, screen.Safe(p.Text) + w.untilText(f)
	case !p.Failed && !p.TimedOut:
		return proxy.LevelGood, screen.Safe(p.Text) + w.nextText(f)
	}
	if w.ended.IsZero() {
		w.ended = f.clock()
	}
	if ev := f.stats.journal.ending(w); ev != nil {
		return ev.Level, byText(ev) + ev.Text
	}
	if f.clock().Sub(w.ended) < reasonWait {
		return "", ""
	}
	return proxy.LevelWarn, screen.Safe(p.Text)
}

// untilText says when a pause ends by itself.
func (w *followedAct) untilText(f *frame) string {
	if s := f.stats.status.Service(w.target); s != nil && s.Pause != nil {
		return ", until " + f.timeOf(s.Pause.Until)
	}
	return ""
}

// nextText says what the operator can do next with the target of a finished act.
func (w *followedAct) nextText(f *frame) string {
	b := f.stats.status.Backend(w.target)
	if b == nil || b.Admin != proxy.AdminDrain && b.Admin != proxy.AdminMaint || b.Active > 0 {
		return ""
	}
	return ": no sessions remain   (u: back in service)"
}

// ending returns the event that says why an act ended: the newest event of its target since it
// began, except the act's own.
func (j *journal) ending(w *followedAct) *entry {
	service, backend := api.SplitTarget(w.target)
	for _, e := range j.entries {
		switch {
		case e.Time.Before(w.since):
			return nil
		case e.Service != service || e.Backend != backend:
		case e.Kind == proxy.EventOperator && !strings.HasPrefix(e.Command, w.req.CommandLine()),
			e.Kind == proxy.EventService, e.Kind == proxy.EventDrained:
			return e
		}
	}
	return nil
}

// byText names the operator who ended it, if any.
func byText(e *entry) string {
	if e.Kind == proxy.EventOperator && e.By != "" {
		return fmt.Sprintf("%s: ", operatorName(e.By))
	}
	return ""
}
