package incident

import (
	"cmp"
	_ "embed"
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

//go:embed style.css
var styleSheet string

// HTML writes one page that needs nothing else: no script, no other file.
//
// It is written by hand, as html/template finds methods by their names: for that the linker
// keeps every exported method of the program, a tenth of the binary.
func HTML(w io.Writer, i *api.Incident, o Options) error {
	p := &page{style: style{zone: o.zone()}}
	title := Title(i, p.zone)
	p.put("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<title>%s</title>\n<style>\n", title)
	p.b.WriteString(styleSheet)
	p.put("</style>\n</head>\n<body>\n<h1>%s</h1>\n", title)
	p.impact(&i.Impact)
	p.services(i.Services)
	p.outages(i)
	for n := range i.Series {
		p.series(&i.Series[n], i)
	}
	p.events("Who did what", i.Acts)
	p.events("Marks", i.Marks)
	p.events("What happened", i.Events)
	p.reports(i.Reports)
	p.put("<p class=\"dim\">Written by tcpctl %s from the history of %s. Red bands are outages, dashed lines acts, violet ones marks; each says what it is under the pointer.</p>\n"+
		"</body>\n</html>\n", i.Version, i.Node)
	return p.writeTo(w)
}

// page is an HTML page that is being written.
type page struct {
	style
	b strings.Builder
}

// put adds markup. Strings among args are text, within or outside of quotation marks.
func (p *page) put(markup string, args ...any) {
	for n, arg := range args {
		if s, ok := arg.(string); ok {
			args[n] = html.EscapeString(s)
		}
	}
	fmt.Fprintf(&p.b, markup, args...)
}

func (p *page) impact(i *api.Impacts) {
	p.put("<div class=\"impact\">\n")
	cell := func(class string, value any, name string) {
		if class != "" && value != int64(0) {
			p.put("<div class=\"%s\"><b>%v</b><span>%s</span></div>\n", class, value, name)
			return
		}
		p.put("<div><b>%v</b><span>%s</span></div>\n", value, name)
	}
	cell("", i.Clients, "clients")
	cell("", i.Served, "served")
	cell("bad", i.Failed, "failed")
	cell("bad", i.Rejected, "rejected")
	cell("bad", i.Cut, "cut")
	cell("warn", i.Held, "held")
	cell("", text.Took(i.LongestWait), "longest wait")
	cell("", i.PeakActive, "at a time")
	p.put("</div>\n")
}

// services is left out if there is only one: its numbers are those above.
func (p *page) services(all []api.ServiceImpact) {
	if len(all) < 2 {
		return
	}
	p.put("<table><tr><th>service</th>")
	for _, name := range []string{"clients", "served", "failed", "rejected", "cut", "held", "longest wait", "in", "out"} {
		p.put("<th class=\"n\">%s</th>", name)
	}
	p.put("</tr>\n")
	for n := range all {
		s := &all[n]
		p.put("<tr><td>%s</td>", s.Service)
		for _, value := range []any{s.Clients, s.Served, s.Failed, s.Rejected, s.Cut, s.Held, text.Took(s.LongestWait), size(s.BytesIn), size(s.BytesOut)} {
			p.put("<td class=\"n\">%v</td>", value)
		}
		p.put("</tr>\n")
	}
	p.put("</table>\n")
}

func (p *page) outages(i *api.Incident) {
	p.put("<h2>Outages</h2>\n")
	if len(i.Outages)+len(i.Gaps) == 0 {
		p.put("<p>None.</p>\n")
		return
	}
	p.put("<table><tr><th>from</th><th>to</th><th class=\"n\">for</th><th>what</th><th></th></tr>\n")
	for n := range i.Outages {
		o, until := &i.Outages[n], p.clock(i.Outages[n].Until)
		if o.Ongoing {
			until += " (ongoing)"
		}
		p.put("<tr><td>%s</td><td>%s</td><td class=\"n\">%s</td><td>%s %s</td><td class=\"dim\">%s</td></tr>\n",
			p.clock(o.Since), until, text.Took(o.Seconds), o.Target, strings.ReplaceAll(o.State, "_", " "), o.Detail)
	}
	for _, g := range i.Gaps {
		p.put("<tr><td>%s</td><td>%s</td><td></td><td>nothing was recorded</td><td class=\"dim\">%s</td></tr>\n", p.clock(g.Since), p.clock(g.Until), g.Reason)
	}
	p.put("</table>\n")
}

// series draws one service.
func (p *page) series(s *api.Series, i *api.Incident) {
	p.put("<h2>%s</h2>\n", s.Service)
	for _, c := range charts(s, i, p.zone) {
		p.put("<h3>%s</h3>\n<svg viewBox=\"%s\" role=\"img\" aria-label=\"%s: %s\">\n", c.Title, c.ViewBox, s.Service, c.Title)
		for _, band := range c.Bands {
			p.put("<rect class=\"band\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"120\"><title>%s</title></rect>\n", band.X, band.Width, band.Text)
		}
		p.put("<line class=\"axis\" x1=\"60\" y1=\"120\" x2=\"900\" y2=\"120\"/><line class=\"axis\" x1=\"60\" y1=\"8\" x2=\"900\" y2=\"8\"/>"+
			"<text x=\"54\" y=\"12\" text-anchor=\"end\">%s</text><text x=\"54\" y=\"123\" text-anchor=\"end\">0</text>\n", c.Top)
		for _, tick := range c.Ticks {
			p.put("<text x=\"%.1f\" y=\"138\" text-anchor=\"middle\">%s</text>\n", tick.X, tick.Text)
		}
		for _, sign := range c.Signs {
			p.put("<line class=\"%s\" x1=\"%.1f\" y1=\"0\" x2=\"%.1f\" y2=\"120\"><title>%s</title></line>\n", sign.Class, sign.X, sign.X, sign.Text)
		}
		for _, d := range c.Series {
			p.put("<path class=\"%s\" d=\"%s\"/>\n", d.Class, d.Path)
		}
		p.put("</svg>\n<div class=\"key\">")
		for _, d := range c.Series {
			p.put("<i class=\"%s\"></i>%s", d.Class, d.Name)
		}
		p.put("</div>\n")
	}
}

func (p *page) events(title string, all []proxy.Event) {
	if len(all) == 0 {
		return
	}
	p.put("<h2>%s</h2><table>", title)
	for n := range all {
		ev := &all[n]
		p.put("<tr><td>%s</td><td>%s</td><td>%s", p.clock(ev.Time), ev.By, ev.Text)
		if ev.Command != "" {
			p.put("<br><code>%s</code>", ev.Command)
		}
		p.put("</td></tr>\n")
	}
	p.put("</table>\n")
}

func (p *page) reports(all []proxy.Report) {
	if len(all) == 0 {
		return
	}
	p.put("<h2>Plans</h2><table>")
	for n := range all {
		r := &all[n]
		p.put("<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", p.clock(r.Started), r.Owner, r.Sentence())
	}
	p.put("</table>\n")
}

// writeTo writes the page, with replacements for what a terminal would interpret, and for
// what XML does not allow.
func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, p.b.String()))
	return err
}

// Size of a chart's drawing, in SVG's units.
const (
	chartWidth  = 900.0
	chartHeight = 120.0
	chartLeft   = 60.0
)

// chart is one SVG drawing: areas and lines over the time range.
type chart struct {
	Title   string
	Series  []drawn
	Bands   []band // outages
	Ticks   []tick // times
	Signs   []sign // acts and marks
	Top     string // the end of the scale
	Known   bool
	ViewBox string
}

type drawn struct{ Name, Class, Path string }
type band struct {
	X, Width float64
	Text     string
}
type tick struct {
	X    float64
	Text string
}
type sign struct {
	X           float64
	Class, Text string
}

// charts draws one service.
func charts(s *api.Series, i *api.Incident, zone *time.Location) []chart {
	per := func(n int64) float64 { return float64(n) / s.StepSeconds }
	all := []chart{
		newChart("clients a second", s, i, map[string]func(*api.Point) float64{
			"served":   func(p *api.Point) float64 { return per(p.Served) },
			"failed":   func(p *api.Point) float64 { return per(p.Failed + p.Cut) },
			"rejected": func(p *api.Point) float64 { return per(p.Rejected) }}, []string{"served", "failed", "rejected"}, "/s"),
		newChart("sessions", s, i, map[string]func(*api.Point) float64{
			"active":  func(p *api.Point) float64 { return float64(p.Active) },
			"waiting": func(p *api.Point) float64 { return float64(p.Waiting) }}, []string{"active", "waiting"}, ""),
		newChart("connect latency", s, i, map[string]func(*api.Point) float64{
			"latency": func(p *api.Point) float64 { return 1000 * p.LatencySeconds }}, []string{"latency"}, " ms"),
	}
	for n := range all {
		c := &all[n]
		for k := range 7 {
			at := i.Since.Add(time.Duration(float64(i.Until.Sub(i.Since)) * float64(k) / 6))
			c.Ticks = append(c.Ticks, tick{c.x(i, at), at.In(zone).Format(time.TimeOnly)})
		}
	}
	return all
}

// x is where a time is.
func (*chart) x(i *api.Incident, t time.Time) float64 {
	share := t.Sub(i.Since).Seconds() / i.Until.Sub(i.Since).Seconds()
	return chartLeft + min(max(share, 0), 1)*(chartWidth-chartLeft)
}

func newChart(title string, s *api.Series, i *api.Incident, values map[string]func(*api.Point) float64, order []string, unit string) chart {
	c := chart{Title: title, Known: len(s.Points) > 0, ViewBox: fmt.Sprintf("0 0 %.0f %.0f", chartWidth+60, chartHeight+30)}
	most := 0.0
	for n := range s.Points {
		for _, value := range values {
			most = max(most, value(&s.Points[n]))
		}
	}
	most = cmp.Or(most, 1)
	c.Top = fmt.Sprintf("%.3g%s", most, unit)
	for _, name := range order {
		var path strings.Builder
		var last time.Time
		nothing := true
		for n := range s.Points {
			p := &s.Points[n]
			x, y := c.x(i, p.At), chartHeight-values[name](p)/most*(chartHeight-8)
			command := "L"
			if n == 0 || p.At.Sub(last).Seconds() > 2.5*s.StepSeconds { // no data for the time between
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", command, x, y)
			last, nothing = p.At, nothing && values[name](p) == 0
		}
		if nothing && len(order) > 1 { // it would only hide the others' base line
			continue
		}
		c.Series = append(c.Series, drawn{name, name, path.String()})
	}
	c.addMarks(s.Service, i)
	return c
}

// addMarks adds what the incident says about a service to its chart.
func (c *chart) addMarks(of string, i *api.Incident) {
	for n := range i.Outages {
		o := &i.Outages[n]
		if service, _ := api.SplitTarget(o.Target); service != of {
			continue
		}
		x := c.x(i, o.Since)
		c.Bands = append(c.Bands, band{x, max(c.x(i, o.Until)-x, 1), fmt.Sprintf("%s %s for %s", o.Target, o.State, text.Took(o.Seconds))})
	}
	for _, g := range i.Gaps {
		x := c.x(i, g.Since)
		c.Bands = append(c.Bands, band{x, max(c.x(i, g.Until)-x, 1), "nothing was recorded: " + g.Reason})
	}
	for _, ev := range i.Acts {
		if ev.Service == of || ev.Service == "" {
			c.Signs = append(c.Signs, sign{c.x(i, ev.Time), "act", ev.By + ": " + ev.Text})
		}
	}
	for _, ev := range i.Marks {
		c.Signs = append(c.Signs, sign{c.x(i, ev.Time), "mark", ev.By + ": " + ev.Text})
	}
}
