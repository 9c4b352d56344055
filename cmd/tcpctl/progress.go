package main

import (
	"fmt"
	"io"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// progressLine shows a changing line: on a terminal in place, elsewhere as a new line per change.
//
// While a command prints on the same terminal, the line scrolls with its output, and is printed
// again from time to time if it has changed. It has no fixed place on the screen: that would need a
// scroll region, which would stay if we were killed, and would keep the command's output out of the
// scrollback.
type progressLine struct {
	live   bool
	w      io.Writer
	last   string
	shared bool      // a command prints on the same terminal
	at     time.Time // when the line was last printed
}

// besideCommand is the least time between two lines while a command prints.
const besideCommand = 5 * time.Second

func (p *progressLine) show(said string) {
	said = text.Safe(said)
	switch {
	case said == p.last || p.shared && time.Since(p.at) < besideCommand:
		return
	case p.live && !p.shared:
		fmt.Fprintf(p.w, "\r\x1b[K%s", said)
	default:
		fmt.Fprintln(p.w, said)
	}
	p.last, p.at = said, time.Now()
}

// share is called before a command prints, alone after it has ended.
func (p *progressLine) share() {
	if !p.live || p.shared {
		return
	}
	if p.last != "" {
		fmt.Fprintln(p.w) // the line is no longer overwritten
	}
	p.shared, p.at = true, time.Now()
}

func (p *progressLine) alone() {
	if p.shared {
		p.shared, p.last = false, ""
	}
}

// clear erases the line, so that something else can be printed above it.
func (p *progressLine) clear() {
	if p.live && !p.shared && p.last != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.last = ""
}

func (p *progressLine) end() {
	if p.live && !p.shared && p.last != "" {
		fmt.Fprintln(p.w)
	}
	p.last = ""
}
