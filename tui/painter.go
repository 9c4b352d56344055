package tui

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// paintings is how often a second the screen is written at most: keys still feel
// immediate.
const paintings = 30

// painter writes pictures to the terminal, of each the cells that differ from the one
// before. Bubble Tea's renderer writes whole lines: one clock in a line of two panes
// made it write all of both, every second. It keeps the terminal's modes alone (see
// terminal), and has nothing to draw. A terminal that takes nothing holds up the painter alone: pictures that come meanwhile replace
// each other.
type painter struct {
	write func(string) error
	next  chan painting // the newest, not taken yet
	done  chan struct{} // closed when run has returned
}

// painting is one picture: all of it, where the terminal has to be written anew.
type painting struct {
	canvas  *screen.Canvas
	palette *screen.Palette
	all     bool
}

func newPainter(write func(string) error) *painter {
	return &painter{write: write, next: make(chan painting, 1), done: make(chan struct{})}
}

// end waits for run to return. One that is stuck in its write stays behind until the
// terminal takes that.
func (p *painter) end() {
	select {
	case <-p.done:
	case <-time.After(restoreLimit):
	}
}

// show hands on a picture, which must not be changed any more. It never waits.
func (p *painter) show(one painting) {
	select {
	case old := <-p.next:
		one.all = one.all || old.all
	default:
	}
	p.next <- one // only one goroutine shows
}

// run writes pictures until ctx is done, at most so many a second that an eye sees.
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
