package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// columns is how wide a graph in text is.
const columns = 60

// line is one row of a graph's numbers, by column.
type line struct {
	name  string
	value func(*api.Point, float64) float64 // of a point; the argument is its step in seconds
	sum   bool                              // of a column, instead of the largest
	unit  string
}

var lines = []line{
	{"clients", func(p *api.Point, s float64) float64 { return float64(p.New) }, true, ""},
	{"failed, rejected, cut", func(p *api.Point, s float64) float64 { return float64(p.Failed + p.Rejected + p.Cut) }, true, ""},
	{"active", func(p *api.Point, s float64) float64 { return float64(p.Active) }, false, ""},
	{"waiting", func(p *api.Point, s float64) float64 { return float64(p.Waiting) }, false, ""},
	{"connect latency", func(p *api.Point, s float64) float64 { return 1000 * p.LatencySeconds }, false, " ms"},
}

var bars = []rune("▁▂▃▄▅▆▇█")

// graph draws a service: rows of bars over the time range, with the states and what was
// done below them.
func graph(s *api.Series, i *api.Incident, zone *time.Location) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, in steps of %s\n", text.Safe(s.Service), text.Took(max(i.Until.Sub(i.Since).Seconds()/columns, s.StepSeconds)))
	for _, l := range lines {
		values, known := l.values(s, i)
		most := slices.Max(values)
		if most == 0 && l.name != "clients" {
			continue
		}
		fmt.Fprintf(&b, "%22s ┃", l.name)
		for c, v := range values {
			switch {
			case v > 0:
				b.WriteRune(bars[min(int(v/most*float64(len(bars))), len(bars)-1)])
			case known[c]:
				b.WriteByte(' ')
			default:
				b.WriteRune('·') // no data
			}
		}
		fmt.Fprintf(&b, "┃ max %.4g%s\n", most, l.unit)
	}
	fmt.Fprintf(&b, "%22s  %s   > act, M mark, ! trouble\n", "", marksOf(s.Service, i))
	left, right := i.Since.In(zone).Format(time.TimeOnly), i.Until.In(zone).Format(time.TimeOnly)
	fmt.Fprintf(&b, "%22s  %s%*s\n", "", left, columns-len(left), right)
	return b.String()
}

// columnOf returns the column of a time; it may be outside of the graph.
func columnOf(i *api.Incident, t time.Time) int {
	return int(t.Sub(i.Since).Seconds() / i.Until.Sub(i.Since).Seconds() * columns)
}

// values returns a line's values by column, and which of them are known.
func (l *line) values(s *api.Series, i *api.Incident) (values []float64, known []bool) {
	values, known = make([]float64, columns), make([]bool, columns)
	for n := range s.Points {
		p := &s.Points[n]
		c := min(max(columnOf(i, p.At), 0), columns-1)
		v := l.value(p, s.StepSeconds)
		if l.sum {
			values[c] += v
		} else {
			values[c] = max(values[c], v)
		}
		known[c] = true
		end := columnOf(i, p.At.Add(time.Duration(s.StepSeconds*float64(time.Second))))
		for k := c + 1; k < min(end, columns); k++ { // a step may be several columns
			values[k], known[k] = values[c], true
		}
	}
	return values, known
}

// marksOf is the line with a service's trouble, acts and marks.
func marksOf(service string, i *api.Incident) string {
	marks := []rune(strings.Repeat(" ", columns))
	put := func(t time.Time, sign rune) {
		if c := columnOf(i, t); c >= 0 && c < columns {
			marks[c] = sign
		}
	}
	for _, ev := range i.Events {
		if ev.Service == service || ev.Service == "" {
			put(ev.Time, '!')
		}
	}
	for _, ev := range i.Acts {
		if ev.Service == service || ev.Service == "" {
			put(ev.Time, '>')
		}
	}
	for _, ev := range i.Marks {
		put(ev.Time, 'M')
	}
	return string(marks)
}
