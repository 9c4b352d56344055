package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/incident"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// historyOf queries the history in the background.
func historyOf(w *workspace, ask func(context.Context, api.History) (tea.Msg, error)) intent {
	past, ok := w.source.(api.History)
	if !ok {
		return refuse("this engine keeps no history")
	}
	ctx := w.ctx
	return inBackground(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		msg, err := ask(ctx, past)
		if err != nil {
			return forWorkspace{w, fail{err}}
		}
		return forWorkspace{w, msg.(intent)}
	})
}

// forWorkspace carries out an intent, unless another node or time is shown by then.
type forWorkspace struct {
	w    *workspace
	then intent
}

func (a forWorkspace) apply(m *model) tea.Cmd {
	m.changed()
	if m.workspace != a.w {
		return nil
	}
	return m.carryOut(a.then)
}

// reportStretch opens the report of the period that the timeline shows.
func reportStretch(f *frame) intent {
	r := f.past
	if r == nil {
		return refuse("a report is of a stretch of the past: [ goes there, or :report 02:30..now")
	}
	q := api.Stretch{Since: r.line.since, Until: r.line.until, Service: f.view}
	return inConsole(func(m *model) tea.Cmd { return m.carryOut(m.incidentOf(q)) })
}

// incidentCommand is :report 02:30..now; ok is false if text is no period.
func (w *workspace) incidentCommand(text string) (i intent, ok bool) {
	now := w.now()
	if w.past != nil {
		now = w.past.live.now()
	}
	s, err := api.ParseStretch(text, now.In(w.zone))
	if err != nil {
		if strings.Contains(text, "..") {
			return fail{err}, true
		}
		return nil, false
	}
	s.Service = w.view
	return w.incidentOf(s), true
}

func (w *workspace) incidentOf(s api.Stretch) intent {
	zone := w.zone
	return historyOf(w, func(ctx context.Context, past api.History) (tea.Msg, error) {
		i, err := past.Incident(ctx, s)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := incident.Text(&b, i, incident.Options{Zone: zone}); err != nil {
			return nil, err
		}
		return open{&incidentBox{incident: i, lines: strings.Split(strings.TrimRight(b.String(), "\n"), "\n")}}, nil
	})
}

// incidentBox shows an incident report over the whole screen, and writes it to a file.
type incidentBox struct {
	incident *api.Incident
	lines    []string
	top      int
}

func (d *incidentBox) hint(*frame) string {
	return "up/down scroll   w write to a file (.md, .html, .json)   esc back"
}

func (d *incidentBox) key(f *frame, k tea.KeyMsg) intent {
	switch k.String() {
	case "down", "j":
		d.top++
	case "up", "k":
		d.top--
	case "pgdown", "ctrl+d", " ":
		d.top += f.height / 2
	case "pgup", "ctrl+u":
		d.top -= f.height / 2
	case "g", "home":
		d.top = 0
	case "G", "end":
		d.top = len(d.lines)
	case "w":
		return d.askFile(f)
	case "esc", "enter", "q", "ctrl+c":
		return closeAnd{}
	}
	return nil
}

func (d *incidentBox) draw(f *frame, c *screen.Canvas) {
	at := func(t time.Time) string { return t.In(f.zone).Format("2006-01-02 15:04:05") }
	title := "incident " + at(d.incident.Since) + " to " + at(d.incident.Until)[11:]
	h := messageLine(c.H) // the message says where it was written
	box := drawWindow(f, c.Sub(0, 0, c.W, h), c.W, h, title, "w write to a file")
	d.top = max(min(d.top, len(d.lines)-box.H), 0)
	for y := range min(box.H, len(d.lines)-d.top) {
		box.Text(1, y, screen.Clip(screen.Safe(d.lines[d.top+y]), box.W-2, f.theme.Glyphs.Ellipsis), themes.Text)
	}
}

// askFile asks where to write the report. Over SSH the instance would write it on its machine with
// its rights, so that is refused.
func (d *incidentBox) askFile(f *frame) intent {
	if f.cfg.Sizes != nil {
		return refuse("this console runs on the instance's machine: run there or here  " + d.line())
	}
	name := "tcpctl-" + screen.Safe(filepath.Base(d.incident.Node)) + d.incident.Since.In(f.zone).Format("-20060102-150405") + ".html"
	zone := f.zone
	check := func(s string) error {
		switch filepath.Ext(s) {
		case ".md", ".html", ".json":
			return nil
		}
		return refusal("the name ends with .md, .html or .json")
	}
	return ask("write to: ", name, check, func(s string) intent {
		return inBackground(func() tea.Msg {
			if err := writeIncident(s, d.incident, zone); err != nil {
				return fail{err}
			}
			return notice{proxy.LevelGood, "written to " + s}
		})
	})
}

// line returns the equivalent command line.
func (d *incidentBox) line() string {
	return fmt.Sprintf("tcpctl report --since %s --until %s --html", d.incident.Since.Format(time.RFC3339), d.incident.Until.Format(time.RFC3339))
}

// writeIncident writes a report in the format that the name's extension gives. It does not
// overwrite a file.
func writeIncident(name string, i *api.Incident, zone *time.Location) (err error) {
	var b bytes.Buffer
	switch o := (incident.Options{Zone: zone}); filepath.Ext(name) {
	case ".html":
		err = incident.HTML(&b, i, o)
	case ".md":
		err = incident.Markdown(&b, i, o)
	default:
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		err = e.Encode(i)
	}
	if err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b.Bytes())
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// historyCommand is :history [SINCE]: acts and troubles, newest first.
func (w *workspace) historyCommand(text string) intent {
	now := w.now()
	s := api.Stretch{Since: now.Add(-24 * time.Hour), Until: now}
	if text != "" {
		var err error
		if s, err = api.ParseStretch(text, now.In(w.zone)); err != nil {
			return fail{err}
		}
	}
	s.Service = w.view
	f := &w.frame
	return historyOf(w, func(ctx context.Context, past api.History) (tea.Msg, error) {
		all, err := past.Timeline(ctx, api.TimelineQuery{Stretch: s})
		if err != nil {
			return nil, err
		}
		return inConsole(func(m *model) tea.Cmd {
			return m.carryOut(open{factsBox("history since "+f.dated(s.Since), historyFacts(f, all))})
		}), nil
	})
}

func historyFacts(f *frame, all []proxy.Event) (facts []fact) {
	for i := len(all) - 1; i >= 0 && len(facts) < rewindEvents; i-- {
		if !isMark(&all[i]) {
			continue
		}
		e := &entry{Event: safeEvent(all[i])}
		text := eventText(e)
		if e.Command != "" && !strings.Contains(text, e.Command) {
			text += "  = " + e.Command
		}
		facts = append(facts, fact{f.timeOf(e.Time), string(eventSign(e).mark) + " " + text})
	}
	if len(facts) == 0 {
		facts = []fact{{"", "nothing was done, and nothing went wrong"}}
	}
	return append(facts, fact{}, fact{"go there", ":rewind " + "15:04:05 shows all panes as they were then; :report 02:30..now is the incident report"})
}
