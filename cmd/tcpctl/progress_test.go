package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgressBesideACommand: a window's progress on a terminal, between lines of its command. It
// uses no scroll region, which a killed owner would leave behind.
func TestProgressBesideACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var screen strings.Builder
		p := &progressLine{live: true, w: &screen}
		p.show("pause")
		p.show("pause")
		p.show("command; 0 held")
		p.share()
		screen.WriteString("the command: begun\n")
		p.show("command; 1 held")
		time.Sleep(besideCommand)
		p.show("command; 2 held")
		p.show("command; 3 held")
		time.Sleep(besideCommand)
		p.show("command; 2 held")
		screen.WriteString("the command: done\n")
		p.alone()
		p.show("resume")
		p.show("done")
		p.end()
		const want = "\r\x1b[Kpause\r\x1b[Kcommand; 0 held\n" +
			"the command: begun\ncommand; 2 held\nthe command: done\n" +
			"\r\x1b[Kresume\r\x1b[Kdone\n"
		if got := screen.String(); got != want {
			t.Errorf("\n%q, want\n%q", got, want)
		}
	})
}

// TestProgressInAFile: without a terminal, each change is a line.
func TestProgressInAFile(t *testing.T) {
	var log strings.Builder
	p := &progressLine{w: &log}
	p.show("pause")
	p.show("command")
	p.share()
	p.show("command")
	p.show("command; 1 held")
	p.alone()
	p.clear()
	p.show("done")
	p.end()
	if got := log.String(); got != "pause\ncommand\ncommand; 1 held\ndone\n" {
		t.Errorf("%q", got)
	}
}
