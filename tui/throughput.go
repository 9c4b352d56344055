package tui

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
)

// drawThroughput draws bytes in above and bytes out below the line of time,
// with what operators did as letters under it.
func (m *model) drawThroughput(c *canvas) {
	const axis, legend, texts = 6, 11, 3
	g := &m.theme.Glyphs
	h := m.world.history(m.view)
	gw := c.w - axis - 2 - legend
	rows := c.h - 1 - texts
	if gw < 8 || rows < 2 {
		m.drawCounters(c)
		return
	}
	up := (rows + 1) / 2
	n := gw * perCell(g.Graph)
	in := h.rates(n, m.engineNow(), func(p *point) int64 { return p.in })
	out := h.rates(n, m.engineNow(), func(p *point) int64 { return p.out })
	mostIn, mostOut := most(in), most(out)
	scaleIn, scaleOut := roundUp(max(mostIn, 1)), roundUp(max(mostOut, 1))

	graph(c.sub(axis+2, 0, gw, up), in, scaleIn, g.Graph, false, themes.GraphIn)
	graph(c.sub(axis+2, up+1, gw, rows-up), out, scaleOut, g.Graph, true, themes.GraphOut)
	for y := range rows + 1 {
		c.fill(axis+1, y, 1, g.Box[5], is(themes.GraphAxis))
	}
	c.fill(axis+1, up, 1, g.Ticks[2], is(themes.GraphAxis))
	c.fill(axis+2, up, gw, g.Ticks[1], is(themes.GraphAxis))
	m.axisLabel(c, 0, scaleIn)
	m.axisLabel(c, up, 0)
	m.axisLabel(c, rows, scaleOut)

	flow := m.world.flows[m.view]
	x := axis + 2 + gw + 1
	c.text(x, 0, "in", is(themes.GraphIn))
	c.text(x, 1, size(flow.in)+"/s", is(themes.Text))
	c.text(x, 2, "max "+size(mostIn), is(themes.TextDim))
	c.text(x, up+1, "out", is(themes.GraphOut))
	c.text(x, up+2, size(flow.out)+"/s", is(themes.Text))
	c.text(x, up+3, "max "+size(mostOut), is(themes.TextDim))

	line := c.sub(axis+2, rows+1, gw, 1)
	m.drawTicks(line)
	whereFree(line, 0, "-5m")
	whereFree(line, gw-3, "now")
	m.drawCounters(c.sub(0, rows+2, c.w, c.h-rows-2))
}

func (m *model) axisLabel(c *canvas, y int, v float64) {
	c.right(6, y, size(v), is(themes.TextDim))
	if v > 0 {
		c.fill(7, y, 1, m.theme.Glyphs.Ticks[0], is(themes.GraphAxis))
	}
}

// drawTicks puts what operators did on the line of time: the first letter of
// the act, and M for a note.
func (m *model) drawTicks(c *canvas) {
	step := historySpan / time.Duration(max(c.w, 1))
	end := rasterEnd(m.engineNow(), step)
	for _, e := range m.world.journal.entries {
		if e.Kind != proxy.EventOperator && e.Kind != proxy.EventMark || m.view != "" && e.Service != "" && e.Service != m.view {
			continue
		}
		back := int(end.Sub(e.Time) / step)
		if back < 0 || back >= c.w {
			continue
		}
		c.fill(c.w-1-back, 0, 1, tickLetter(e), is(themes.Op))
	}
}

// whereFree writes a label, unless something more important stands there.
func whereFree(c *canvas, x int, label string) {
	for i := range len(label) {
		if x+i >= c.w || c.row(0)[x+i].r != ' ' {
			return
		}
	}
	c.text(x, 0, label, is(themes.TextDim))
}

func tickLetter(e *entry) rune {
	if e.Kind == proxy.EventMark {
		return 'M'
	}
	act, _, _ := strings.Cut(strings.TrimPrefix(e.Command, "tcpctl "), " ")
	for _, r := range act {
		return unicode.ToUpper(r)
	}
	return '>'
}

// drawCounters says in words what the graph does not.
func (m *model) drawCounters(c *canvas) {
	h := m.world.history(m.view)
	then, now, dt := h.since(rateSpan * 10)
	per := func(a, b int64) string {
		if dt <= 0 {
			return "0"
		}
		return perSecond(max(float64(a-b), 0) / dt)
	}
	c.text(1, 0, fmt.Sprintf("conn %d  +%s/s   waiting %d", now.active, per(now.total, then.total), now.waiting), is(themes.Text))
	c.text(1, 1, fmt.Sprintf("failed %s/s   refused %s/s   gave up %s/s", per(now.failed, then.failed), per(now.rejected, then.rejected), per(now.gaveUp, then.gaveUp)), is(themes.TextDim))
}

// sparkLine is the same on one line, for screens without room for a graph.
func (m *model) sparkLine(c *canvas, y int) {
	flow := m.world.flows[m.view]
	h := m.world.history(m.view)
	_, now, _ := h.since(rateSpan)
	if c.w < 76 {
		c.text(1, y, cut(fmt.Sprintf("in %s/s out %s/s conn %d new %s/s", size(flow.in), size(flow.out), now.active, perSecond(flow.fresh)), max(c.w-2, 0)), is(themes.Text))
		return
	}
	n := 12 + (c.w-80)/4
	g := &m.theme.Glyphs
	x := c.text(1, y, "in ", is(themes.GraphIn))
	x = spark(c, x, y, h.rates(n, m.engineNow(), func(p *point) int64 { return p.in }), g.Spark, themes.GraphIn)
	x = c.text(x+1, y, fmt.Sprintf("%6s", size(flow.in)+"/s"), is(themes.Text))
	x = c.text(x+2, y, "out ", is(themes.GraphOut))
	x = spark(c, x, y, h.rates(n, m.engineNow(), func(p *point) int64 { return p.out }), g.Spark, themes.GraphOut)
	x = c.text(x+1, y, fmt.Sprintf("%6s", size(flow.out)+"/s"), is(themes.Text))
	c.text(x+2, y, fmt.Sprintf("conn %d  +%s/s", now.active, perSecond(flow.fresh)), is(themes.Text))
}

func most(values []float64) (m float64) {
	for _, v := range values {
		m = max(m, v)
	}
	return m
}
