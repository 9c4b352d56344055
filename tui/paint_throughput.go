package tui

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// drawThroughput draws bytes in above and bytes out below the time axis, with operators' acts as
// letters below it.
func drawThroughput(f *frame, c *screen.Canvas) {
	const axis, legend, texts = 6, 11, 3
	g := &f.theme.Glyphs
	h := f.stats.history(f.view)
	gw := c.W - axis - 2 - legend
	rows := c.H - 1 - texts
	if gw < 8 || rows < 2 {
		drawCounters(f, c)
		return
	}
	up := (rows + 1) / 2
	n := gw * screen.PerCell(g.Graph)
	in := h.rates(n, f.now(), func(p *point) int64 { return p.in })
	out := h.rates(n, f.now(), func(p *point) int64 { return p.out })
	mostIn, mostOut := most(in), most(out)
	scaleIn, scaleOut := screen.RoundUp(max(mostIn, 1)), screen.RoundUp(max(mostOut, 1))

	screen.Graph(c.Sub(axis+2, 0, gw, up), in, scaleIn, g.Graph, false, themes.GraphIn)
	screen.Graph(c.Sub(axis+2, up+1, gw, rows-up), out, scaleOut, g.Graph, true, themes.GraphOut)
	for y := range rows + 1 {
		c.Fill(axis+1, y, 1, g.Box[5], themes.GraphAxis)
	}
	c.Fill(axis+1, up, 1, g.Ticks[2], themes.GraphAxis)
	c.Fill(axis+2, up, gw, g.Ticks[1], themes.GraphAxis)
	drawAxisLabel(f, c, 0, scaleIn)
	drawAxisLabel(f, c, up, 0)
	drawAxisLabel(f, c, rows, scaleOut)

	flow := f.stats.flows[f.view]
	x := axis + 2 + gw + 1
	c.Text(x, 0, "in", themes.GraphIn)
	c.Text(x, 1, screen.Bytes(flow.in)+"/s", themes.Text)
	c.Text(x, 2, "max "+screen.Bytes(mostIn), themes.TextDim)
	c.Text(x, up+1, "out", themes.GraphOut)
	c.Text(x, up+2, screen.Bytes(flow.out)+"/s", themes.Text)
	c.Text(x, up+3, "max "+screen.Bytes(mostOut), themes.TextDim)

	line := c.Sub(axis+2, rows+1, gw, 1)
	drawTicks(f, line)
	textIfFree(line, 0, "-5m")
	textIfFree(line, gw-3, "now")
	drawCounters(f, c.Sub(0, rows+2, c.W, c.H-rows-2))
}

func drawAxisLabel(f *frame, c *screen.Canvas, y int, v float64) {
	c.Right(6, y, screen.Bytes(v), themes.TextDim)
	if v > 0 {
		c.Fill(7, y, 1, f.theme.Glyphs.Ticks[0], themes.GraphAxis)
	}
}

// drawTicks draws operators' acts on the time axis: the first letter of each, and M for a note.
func drawTicks(f *frame, c *screen.Canvas) {
	step := historySpan / time.Duration(max(c.W, 1))
	end := rasterEnd(f.now(), step)
	for _, e := range f.stats.journal.entries {
		if e.Kind != proxy.EventOperator && e.Kind != proxy.EventMark || f.view != "" && e.Service != "" && e.Service != f.view {
			continue
		}
		back := int(end.Sub(e.Time) / step)
		if back < 0 || back >= c.W {
			continue
		}
		c.Fill(c.W-1-back, 0, 1, tickLetter(e), themes.Op)
	}
}

// textIfFree writes a label, unless something more important is there.
func textIfFree(c *screen.Canvas, x int, label string) {
	for i := range len(label) {
		if x+i >= c.W || c.Row(0)[x+i].Rune != ' ' {
			return
		}
	}
	c.Text(x, 0, label, themes.TextDim)
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

func drawCounters(f *frame, c *screen.Canvas) {
	h := f.stats.history(f.view)
	then, now, dt := h.since(rateSpan * 10)
	per := func(a, b int64) string {
		if dt <= 0 {
			return "0"
		}
		return screen.Rate(max(float64(a-b), 0) / dt)
	}
	c.Text(1, 0, fmt.Sprintf("conn %d  +%s/s   waiting %d", now.active, per(now.total, then.total), now.waiting), themes.Text)
	c.Text(1, 1, fmt.Sprintf("failed %s/s   rejected %s/s   unserved %s/s", per(now.failed, then.failed), per(now.rejected, then.rejected), per(now.unserved, then.unserved)), themes.TextDim)
}

// drawSparks draws throughput on one line, for screens without room for a graph.
func drawSparks(f *frame, c *screen.Canvas, y int) {
	flow := f.stats.flows[f.view]
	h := f.stats.history(f.view)
	_, now, _ := h.since(rateSpan)
	if c.W < 76 {
		c.Text(1, y, screen.Cut(fmt.Sprintf("in %s/s out %s/s conn %d new %s/s", screen.Bytes(flow.in), screen.Bytes(flow.out), now.active, screen.Rate(flow.fresh)), max(c.W-2, 0)), themes.Text)
		return
	}
	n := 12 + (c.W-80)/4
	g := &f.theme.Glyphs
	x := c.Text(1, y, "in ", themes.GraphIn)
	x = screen.Spark(c, x, y, h.rates(n, f.now(), func(p *point) int64 { return p.in }), g.Spark, themes.GraphIn)
	x = c.Text(x+1, y, fmt.Sprintf("%6s", screen.Bytes(flow.in)+"/s"), themes.Text)
	x = c.Text(x+2, y, "out ", themes.GraphOut)
	x = screen.Spark(c, x, y, h.rates(n, f.now(), func(p *point) int64 { return p.out }), g.Spark, themes.GraphOut)
	x = c.Text(x+1, y, fmt.Sprintf("%6s", screen.Bytes(flow.out)+"/s"), themes.Text)
	c.Text(x+2, y, fmt.Sprintf("conn %d  +%s/s", now.active, screen.Rate(flow.fresh)), themes.Text)
}

func most(values []float64) (m float64) {
	for _, v := range values {
		m = max(m, v)
	}
	return m
}
