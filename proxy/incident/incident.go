// Package incident writes an api.Incident for people: as text for a terminal,
// as Markdown for a ticket, or as one HTML page that needs nothing else. What a
// client, an operator or a program has written into it is made harmless.
package incident

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Options are for one report.
type Options struct {
	Zone *time.Location // of its times; nil: this machine's
}

func (o Options) zone() *time.Location { return cmp.Or(o.Zone, time.Local) }

// Text writes it for a terminal.
func Text(w io.Writer, i *api.Incident, o Options) error {
	return write(w, i, &style{zone: o.zone(), title: "%s\n", head: "\n%s\n", item: "  %s\n", code: "%s", fence: ""})
}

// Markdown writes it for a ticket or a chat.
func Markdown(w io.Writer, i *api.Incident, o Options) error {
	return write(w, i, &style{zone: o.zone(), title: "# %s\n", head: "\n## %s\n\n", item: "- %s\n", code: "`%s`", fence: "```\n", escape: markdown.Replace})
}

// style is how the parts of a document are written.
type style struct {
	zone                    *time.Location
	title, head, item, code string
	fence                   string
	escape                  func(string) string
}

// safe makes text from outside harmless.
func (s *style) safe(of string) string {
	of = text.Safe(strings.ReplaceAll(of, "\n", " "))
	if s.escape != nil {
		of = s.escape(of)
	}
	return of
}

// markdown escapes Markdown's syntax.
var markdown = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "<", "&lt;", "|", `\|`, "#", `\#`)

func write(w io.Writer, i *api.Incident, s *style) error {
	var b strings.Builder
	head := func(text string) { fmt.Fprintf(&b, s.head, text) }
	item := func(format string, args ...any) { fmt.Fprintf(&b, s.item, fmt.Sprintf(format, args...)) }
	fmt.Fprintf(&b, s.title, s.safe(Title(i, s.zone)))
	head("Impact")
	for _, line := range ImpactLines(&i.Impact) {
		item("%s", line)
	}
	if len(i.Services) > 1 {
		for n := range i.Services {
			one := &i.Services[n]
			item("%s: %s", s.safe(one.Service), strings.Join(ImpactLines(&one.Impacts), "; "))
		}
	}
	head("Outages")
	for n := range i.Outages {
		item("%s", s.outage(&i.Outages[n]))
	}
	for _, g := range i.Gaps {
		item("%s to %s: nothing was recorded: %s", s.clock(g.Since), s.clock(g.Until), s.safe(g.Reason))
	}
	if len(i.Outages)+len(i.Gaps) == 0 {
		item("none")
	}
	s.events(&b, "Who did what", i.Acts)
	s.events(&b, "Marks", i.Marks)
	s.events(&b, "What happened", i.Events)
	if len(i.Reports) > 0 {
		head("Plans")
		for n := range i.Reports {
			r := &i.Reports[n]
			item("%s %s: %s", s.clock(r.Started), s.safe(r.Owner), s.safe(r.Sentence()))
		}
	}
	head("Graph")
	b.WriteString(s.fence)
	for n := range i.Series {
		b.WriteString(graph(&i.Series[n], i, s.zone))
	}
	b.WriteString(s.fence)
	_, err := io.WriteString(w, b.String())
	return err
}

// most bounds a list of events in text; the JSON has all of them.
const most = 200

func (s *style) events(b *strings.Builder, title string, all []proxy.Event) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, s.head, title)
	for n := range all[:min(len(all), most)] {
		ev := &all[n]
		line := s.clock(ev.Time) + " "
		if ev.By != "" {
			line += s.safe(ev.By) + ": "
		}
		line += s.safe(ev.Text)
		if ev.Command != "" {
			command := text.Safe(strings.ReplaceAll(ev.Command, "\n", " "))
			if s.escape != nil {
				command = strings.ReplaceAll(command, "`", "'")
			}
			line += "   = " + fmt.Sprintf(s.code, command)
		}
		fmt.Fprintf(b, s.item, line)
	}
	if more := len(all) - most; more > 0 {
		fmt.Fprintf(b, s.item, fmt.Sprintf("and %d more: tcpctl history shows them", more))
	}
}

func (s *style) outage(o *api.Outage) string {
	line := fmt.Sprintf("%s %s for %s, from %s to %s", s.safe(o.Target), s.safe(strings.ReplaceAll(o.State, "_", " ")), text.Took(o.Seconds), s.clock(o.Since), s.clock(o.Until))
	switch {
	case o.Before && o.Ongoing:
		line += " (it began before this time range, and is ongoing)"
	case o.Before:
		line += " (it began before this time range)"
	case o.Ongoing:
		line += " (ongoing)"
	}
	if o.Detail != "" {
		line += ": " + s.safe(o.Detail)
	}
	return line
}

func (s *style) clock(t time.Time) string { return t.In(s.zone).Format("2006-01-02 15:04:05") }

// Title is the report's first line.
func Title(i *api.Incident, zone *time.Location) string {
	of := i.Node
	if i.Service != "" {
		of += ", service " + i.Service
	}
	return fmt.Sprintf("Incident report of %s: %s to %s", of, i.Since.In(zone).Format("2006-01-02 15:04:05"), i.Until.In(zone).Format("2006-01-02 15:04:05 MST"))
}

// ImpactLines say what it meant to clients, the worst first.
func ImpactLines(n *api.Impacts) []string {
	lines := []string{fmt.Sprintf("%s: %d served, %d failed, %d rejected, %d cut", text.Plural(int(n.Clients), "client"), n.Served, n.Failed, n.Rejected, n.Cut)}
	if n.Held > 0 || n.PeakWaiting > 0 {
		lines = append(lines, fmt.Sprintf("%d held, longest wait %s; at most %d waited at a time, %d gave up", n.Held, text.Took(n.LongestWait), n.PeakWaiting, n.Abandoned))
	}
	return append(lines, fmt.Sprintf("at most %d sessions at a time; %s in, %s out", n.PeakActive, size(n.BytesIn), size(n.BytesOut)))
}

func size(n int64) string {
	f, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	u := 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	if u == 0 {
		return fmt.Sprintf("%.0f B", f)
	}
	return fmt.Sprintf("%.1f %s", f, units[u])
}
