package tui

import "github.com/tcpctl/tcpctl/tui/internal/screen"

// shape is the layout of a size. No size is refused.
type shape int

const (
	shapeTiny  shape = iota // two lines: the state in short, and what is wrong
	shapeSmall              // one pane, its most important columns
	shapeStack              // one full pane, and strips of the others
	shapeGrid               // all of them
)

func shapeOf(w, h int) shape {
	switch {
	case w < 30 || h < 6:
		return shapeTiny
	case w < 80 || h < 20:
		return shapeSmall
	case w < 120 || h < 36:
		return shapeStack
	}
	return shapeGrid
}

// gridPlan is where everything is on a large screen: two columns of three.
type gridPlan struct {
	panes      [paneCount]screen.Rect // zero: not shown
	throughput screen.Rect
}

// planGrid divides a large screen. The Plan pane is at the lower right while there
// is a plan, or while it has the keys; else Sessions is, which changes places with
// Events while it has the keys.
func planGrid(w, h, focus int, zoom, plan bool) (g gridPlan) {
	const head, foot = 2, 3
	body := screen.Rect{Y: head, W: w, H: h - head - foot}
	if zoom {
		g.panes[focus] = body
		return g
	}
	left := w * 64 / 100
	top := body.H / 3
	mid := body.H / 3
	low := body.H - top - mid
	place := func(col, row int) screen.Rect {
		r := screen.Rect{W: left}
		if col == 1 {
			r = screen.Rect{X: left, W: w - left}
		}
		r.Y, r.H = body.Y, top
		switch row {
		case 1:
			r.Y, r.H = body.Y+top, mid
		case 2:
			r.Y, r.H = body.Y+top+mid, low
		}
		return r
	}
	g.panes[paneBackends], g.throughput = place(0, 0), place(1, 0)
	g.panes[paneQueue], g.panes[panePeers] = place(0, 1), place(1, 1)
	wide, corner := paneEvents, paneSessions
	switch {
	case focus == paneSessions: // its last columns say most: which side ended it, and why
		wide, corner = paneSessions, paneEvents
	case focus == panePlan || plan:
		corner = panePlan
	}
	g.panes[wide], g.panes[corner] = place(0, 2), place(1, 2)
	return g
}

// stackPlan is a pane with all its columns, and strips of others below it.
type stackPlan struct {
	main   screen.Rect
	strips []strip
}

// strip is a rule with a few lines of a pane under it.
type strip struct {
	pane int
	screen.Rect
}

// planStack divides a middle-sized screen: what the pane's own half does not need
// goes to the strips that say most. wish is how many lines each would like, 0 for
// none.
func planStack(w, h, focus int, zoom bool, wish func(pane, w int) int) (s stackPlan) {
	const head, foot = 3, 3
	body := screen.Rect{Y: head, W: w, H: h - head - foot}
	s.main = body
	if zoom {
		return s
	}
	need := max(body.H/2, 7)
	free := body.H - need
	var chosen [paneCount]int
	for _, p := range []int{paneBackends, paneEvents, paneQueue, panePlan, paneSessions} {
		if p == focus || free < 2 {
			continue
		}
		n := min(wish(p, w), free-1)
		if p == paneEvents {
			n = min(n, max(free-4, 1)) // a queue wants three lines, too
		}
		if p == paneBackends {
			n = min(n, 4)
		}
		if n > 0 {
			chosen[p] = n
			free -= n + 1
		}
	}
	y := body.Y + body.H
	for p := paneCount - 1; p >= 0; p-- {
		if n := chosen[p]; n > 0 {
			y -= n + 1
			s.strips = append([]strip{{p, screen.Rect{Y: y, W: w, H: n + 1}}}, s.strips...)
		}
	}
	s.main.H = y - body.Y
	return s
}
