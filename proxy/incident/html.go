package incident

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

//go:embed page.html
var page string

// HTML writes one page that needs nothing else: no script, no other file.
func HTML(w io.Writer, i *api.Incident, o Options) error {
	s := &style{zone: o.zone()}
	t, err := template.New("page").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return s.clock(t) },
		"took":  text.Took, "size": size,
		"words":    func(word string) string { return strings.ReplaceAll(word, "_", " ") },
		"title":    func() string { return Title(i, s.zone) },
		"lines":    func() []string { return ImpactLines(&i.Impact) },
		"sentence": func(r proxy.Report) string { return r.Sentence() },
		"charts":   func(of api.Series) []chart { return charts(&of, i, s.zone) },
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(printable{w}, i)
}

// printable writes what a terminal would obey, or XML does not have, as other
// signs.
type printable struct{ w io.Writer }

func (p printable) Write(b []byte) (int, error) {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, string(b))
	_, err := io.WriteString(p.w, clean)
	return len(b), err
}

// Size of a chart's drawing, in SVG's units.
const (
	chartWidth  = 900.0
	chartHeight = 120.0
	chartLeft   = 60.0
)

// chart is one SVG drawing: areas and lines over the stretch.
type chart struct {
	Title   string
	Series  []drawn
	Bands   []band // outages
	Ticks   []tick // times
	Signs   []sign // acts and marks
	Top     string // the scale's end
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
	if most == 0 {
		most = 1
	}
	c.Top = fmt.Sprintf("%.3g%s", most, unit)
	for _, name := range order {
		var path strings.Builder
		var last time.Time
		nothing := true
		for n := range s.Points {
			p := &s.Points[n]
			x, y := c.x(i, p.At), chartHeight-values[name](p)/most*(chartHeight-8)
			command := "L"
			if n == 0 || p.At.Sub(last).Seconds() > 2.5*s.StepSeconds { // nothing is known of the time between
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", command, x, y)
			last, nothing = p.At, nothing && values[name](p) == 0
		}
		if nothing && len(order) > 1 { // it would only hide the others' ground line
			continue
		}
		c.Series = append(c.Series, drawn{name, name, path.String()})
	}
	c.addMarks(s.Service, i)
	return c
}

// addMarks adds what a service's chart says of the incident beside its numbers.
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
