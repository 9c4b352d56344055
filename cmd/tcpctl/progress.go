package main

import (
	"fmt"
	"io"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// progressLine shows one line that changes: on a terminal in its place,
// elsewhere once a change.
//
// While a command prints on the same terminal, the line stands above what it
// prints, and is printed again below every so often, if it has changed. It has
// no place of its own on the screen: that takes a scroll region, which stays
// when we are killed, and keeps what the command has printed out of the
// terminal's scrollback.
type progressLine struct {
	live   bool
	w      io.Writer
	last   string
	shared bool      // with a command
	at     time.Time // when it was printed last beside it
}

// besideCommand is how often a line comes between a command's own at most.
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

// share is called when a command is about to print; alone when it has ended.
func (p *progressLine) share() {
	if !p.live || p.shared {
		return
	}
	if p.last != "" {
		fmt.Fprintln(p.w) // and it is not drawn over any more
	}
	p.shared, p.at = true, time.Now()
}

func (p *progressLine) alone() {
	if p.shared {
		p.shared, p.last = false, ""
	}
}

// clear makes room for something else; the line is drawn again below it.
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
