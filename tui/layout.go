package tui

import "github.com/tcpctl/tcpctl/tui/internal/screen"

// shape is the layout for a screen size. No size is refused.
type shape int

const (
	shapeTiny  shape = iota // two lines: a summary, and what is wrong
	shapeSmall              // one pane with its most important columns
	shapeStack              // one full pane, and strips of the others
	shapeGrid               // all panes
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

// needs is how many lines each pane would fill, without its frame; 0: it has nothing to show.
type needs [paneCount]int

// gridPlan is where everything is on a large screen. A pane of height one is only its title.
type gridPlan struct {
	panes      [paneCount]screen.Rect // zero: not shown
	throughput screen.Rect
}

// wideEvents is the width of a screen of which a third is enough for Events.
const wideEvents = 160

// planGrid divides a large screen below its first head lines into two columns. The Plan pane is on
// the right while there is a plan or it has the focus; otherwise Sessions is. A wide pane that has
// the focus goes to the left.
func planGrid(w, h, head, focus int, zoom, plan bool, need needs) (g gridPlan) {
	const foot = 2
	body := screen.Rect{Y: head, W: w, H: h - head - foot}
	if zoom {
		g.panes[focus] = body
		return g
	}
	wide, corner := paneEvents, paneSessions
	switch {
	case focus == paneSessions: // the last columns matter most: which side ended it, and why
		wide, corner = paneSessions, paneEvents
	case focus == panePlan || plan:
		corner = panePlan
	}
	left := []int{paneBackends, paneQueue}
	right := []int{panePeers, corner}
	room := body.H - boxed(need[paneBackends]) - boxed(need[paneQueue])
	if w < wideEvents || room >= 8 || focus == wide {
		left = append(left, wide)
	} else {
		right = append(right, wide)
	}
	const graph = 12 // lines of the graph with its frame
	lw := w * 64 / 100
	g.throughput = screen.Rect{X: lw, Y: body.Y, W: w - lw, H: min(graph, body.H/3)}
	share := func(x, y, w, h int, panes []int) {
		for i, n := range divide(h, panes, focus, need) {
			g.panes[panes[i]] = screen.Rect{X: x, Y: y, W: w, H: n}
			y += n
		}
	}
	share(0, body.Y, lw, body.H, left)
	share(lw, body.Y+g.throughput.H, w-lw, body.H-g.throughput.H, right)
	return g
}

// boxed returns how many lines a pane takes with its frame: one without content.
func boxed(need int) int {
	if need == 0 {
		return 1
	}
	return need + 2
}

// divide gives each pane of a column its lines: first a few each, then what each needs, starting
// with the focused one; the rest goes to the last one that has content.
func divide(h int, panes []int, focus int, need needs) []int {
	const few = 5
	got := make([]int, len(panes))
	want := make([]int, len(panes))
	free := h
	for i, p := range panes {
		want[i] = boxed(need[p])
		if p == focus {
			want[i] = max(want[i], few)
		}
		got[i] = min(want[i], few)
		free -= got[i]
	}
	for i := len(panes) - 1; i >= 0 && free < 0; i-- { // not enough for all
		if panes[i] != focus && got[i] > 1 {
			free += got[i] - 1
			got[i] = 1
		}
	}
	grow := func(i, most int) {
		n := min(max(most-got[i], 0), max(free, 0))
		got[i] += n
		free -= n
	}
	for i, p := range panes {
		if p == focus {
			grow(i, want[i])
		}
	}
	last := 0
	for i := range panes {
		grow(i, want[i])
		if got[i] > 1 {
			last = i
		}
	}
	grow(last, h)
	return got
}

// stackPlan is where one full pane and the strips of others below it are.
type stackPlan struct {
	main   screen.Rect
	strips []strip
}

// strip is a rule with a few lines of a pane under it.
type strip struct {
	pane int
	screen.Rect
}

// planStack divides a medium screen below its first head lines: what the pane does not need goes to
// the most important strips. wish returns how many lines each wants, 0 for none.
func planStack(w, h, head, focus int, zoom bool, need needs, wish func(pane, w int) int) (s stackPlan) {
	const foot = 2
	body := screen.Rect{Y: head, W: w, H: max(h-head-foot, 0)}
	s.main = body
	if zoom {
		return s
	}
	free := body.H - max(min(need[focus]+1, body.H*3/5), body.H/2, 7)
	var chosen [paneCount]int
	order := []int{paneBackends, paneEvents, paneQueue, panePlan, paneSessions}
	if wish(panePlan, w) > 1 { // a plan on all nodes has a line for each
		order = []int{panePlan, paneBackends, paneQueue, paneEvents, paneSessions}
	}
	for _, p := range order {
		if p == focus || free < 2 {
			continue
		}
		n := min(wish(p, w), free-1)
		if p == paneEvents && need[paneQueue] > 0 {
			n = min(n, max(free-4, 1)) // leave three lines for the queue
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
