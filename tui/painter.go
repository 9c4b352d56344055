package tui

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// paintings is the maximum number of screen updates a second: keys still feel immediate.
const paintings = 30

// painter writes screens to the terminal: of each, the cells that differ from the one before. Bubble Tea's renderer writes whole
// lines: a clock in a line of two panes made it write both, every second. It only sets the terminal's modes (see terminal), and
// draws nothing. A terminal that stalls blocks only the painter: screens that come meanwhile replace each other.
type painter struct {
	write func(string) error
	next  chan painting // the newest, not taken yet
	done  chan struct{} // closed when run has returned
}

// painting is one screen to write, whole or as a difference.
type painting struct {
	canvas  *screen.Canvas
	palette *screen.Palette
	all     bool
}

func newPainter(write func(string) error) *painter {
	return &painter{write: write, next: make(chan painting, 1), done: make(chan struct{})}
}

// end waits for run to return. One that is blocked in a write is left behind until the terminal
// accepts it.
func (p *painter) end() {
	select {
	case <-p.done:
	case <-time.After(restoreLimit):
	}
}

// show passes on a screen, which must not be changed afterwards. It never blocks.
func (p *painter) show(one painting) {
	select {
	case old := <-p.next:
		one.all = one.all || old.all
	default:
	}
	p.next <- one // only one goroutine calls show
}

// run writes screens until ctx is done, at most paintings a second.
func (p *painter) run(ctx context.Context) {
	defer close(p.done)
	var shown painting
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return
		case one := <-p.next:
			before := shown.canvas
			if one.all || one.palette != shown.palette {
				before = nil
			}
			if text := one.canvas.Diff(before, one.palette); text != "" && p.write(text) != nil {
				return
			}
			shown = one
			pause.Reset(time.Second / paintings)
		}
	}
}
