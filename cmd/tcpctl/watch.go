package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// watchStatus shows the status every second until it is interrupted, which is no error. On a
// terminal, each picture overwrites the last one.
func watchStatus(cmd *cobra.Command, src api.Source, only string, asJSON bool) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := cmd.OutOrStdout()
	p := &pictures{w: out, live: !asJSON && onTerminal(out)}
	if p.live {
		p.w = drawing() // printStatus has no control characters
	}
	defer p.close()
	before, err := fetch(ctx, src, only)
	for every := 250 * time.Millisecond; err == nil; every = time.Second { // soon a second status, which rates need
		if asJSON {
			err = printJSONLine(out, before)
		}
		if err == nil && sleep(ctx, every) {
			var now *api.Status
			if now, err = fetch(ctx, src, only); err == nil && !asJSON {
				var text bytes.Buffer
				printStatus(&text, before, now)
				err = p.show(text.String())
			}
			before = now
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return err
}

// sleep returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// pictures shows one picture after another.
type pictures struct {
	w     io.Writer
	live  bool
	begun bool
}

// show overwrites the lines in place without clearing the screen first, so that a slow terminal
// does not flicker.
func (p *pictures) show(text string) error {
	if !p.live {
		if p.begun {
			text = "\n" + text
		}
		p.begun = true
		_, err := io.WriteString(p.w, text)
		return err
	}
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || width == 0 || height == 0 {
		width, height = 80, 24
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if hidden := len(lines) - height + 1; hidden > 0 && height > 1 {
		lines = append(lines[:height-1], fmt.Sprintf("and %d more lines: tcpctl status SERVICE", hidden))
	}
	var b strings.Builder
	if !p.begun {
		b.WriteString("\x1b[?25l\x1b[2J") // hide the cursor, and clear the screen once
		p.begun = true
	}
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			line = string(r[:width])
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err = io.WriteString(p.w, b.String())
	return err
}

// close restores the cursor, below the last picture.
func (p *pictures) close() {
	if p.live && p.begun {
		io.WriteString(p.w, "\x1b[?25h\n")
	}
}
