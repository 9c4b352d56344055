package tui

import (
	"runtime"
	"strings"

	"github.com/muesli/termenv"
)

// capabilities is what the environment says about a terminal.
type capabilities struct {
	profile termenv.Profile
	ascii   bool // glyphs from ASCII only
	mono    bool // no colours, but bold, reverse and underline
	plain   bool // no colours or attributes at all
}

func capabilitiesOf(env func(string) (string, bool)) capabilities {
	get := func(name string) string {
		v, _ := env(name)
		return v
	}
	l := capabilities{profile: termenv.ANSI}
	name := get("TERM")
	switch color := get("COLORTERM"); {
	case color == "truecolor" || color == "24bit" || strings.Contains(name, "direct") || runtime.GOOS == "windows":
		l.profile = termenv.TrueColor
	case strings.Contains(name, "256"):
		l.profile = termenv.ANSI256
	}
	// Implementing NO_COLOR by a colourless profile would also remove reverse and bold, and so the
	// selection. A theme without colours does not.
	if v, set := env("NO_COLOR"); set && v != "" {
		l.mono = true
	}
	if name == "dumb" {
		l.mono, l.plain, l.ascii = true, true, true
	}
	// The first of these that is set decides; if none is, UTF-8 is assumed. Linux's own console has
	// no font for graphs.
	for _, v := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(get(v)); locale != "" {
			l.ascii = l.ascii || !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
			break
		}
	}
	l.ascii = l.ascii || name == "linux"
	return l
}
