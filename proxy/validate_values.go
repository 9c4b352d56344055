package proxy

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// What values can be at most, in a file, on a command line, over the API, in
// what was saved and in a library user's program alike.
const (
	// LongestPause bounds pause.max, and each pause and plan: no operator holds
	// clients for longer without looking again (rule 14a).
	LongestPause = 24 * time.Hour
	// LongestDuration bounds all others.
	LongestDuration = text.LongestDuration

	maxWeight = 1_000_000 // so that the shares of as many backends are far from an overflow
	maxCount  = 1_000_000_000
	// MaxRate bounds rates, which are per second. The lowest is one a day, so that the time to
	// the next is a duration.
	MaxRate = 1e9
	minRate = 1.0 / (24 * 60 * 60)
	// MaxBytes bounds sizes and byte rates: every whole number up to it is a float64.
	MaxBytes = 1 << 53

	maxName = 64   // bytes of the name of a service or backend
	maxAddr = 300  // bytes of an address: a name in the DNS has 253
	maxNote = 1000 // bytes of a reason or a mark

	leastInterval  = 10 * time.Millisecond // between checks: shorter ones would be a load of their own
	mostKeepAlive  = 32767 * time.Second   // TCP_KEEPIDLE's
	mostUserTimout = 576 * time.Hour       // TCP_USER_TIMEOUT is milliseconds in 31 bits
)

// ValueError is one invalid value: of a configuration, of the options of an act,
// or of saved state.
type ValueError struct {
	Key  string // "check.interval" or "backends[1].weight" of a service, "max" of options
	Text string // what is wrong with it, in a sentence that names it
	Hint string // what to write; may be empty
	// Other is the key of a value that Key conflicts with; "": Key is invalid by itself.
	Other string
}

func (e *ValueError) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + "; " + e.Hint
}

// values collects what is wrong with the values of one thing.
type values struct {
	prefix string // of the keys
	found  []*ValueError
}

func (v *values) wrong(key, hint, format string, args ...any) {
	v.found = append(v.found, &ValueError{Key: v.prefix + key, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// first returns the first error found.
func (v *values) first() error {
	if len(v.found) == 0 {
		return nil
	}
	return v.found[0]
}

// last returns the key without its table, for use in sentences.
func last(key string) string {
	key, _, _ = strings.Cut(key[strings.LastIndexByte(key, '.')+1:], "[")
	return key
}

func (v *values) number(key string, n, least, most int) {
	if n >= least && n <= most {
		return
	}
	v.wrong(key, fmt.Sprintf("it is a number from %d to %d", least, most), "%s = %d is out of range", last(key), n)
}

// count accepts a negative number, which means off, too.
func (v *values) count(key string, n, most int) { v.number(key, max(n, 0), 0, most) }

// duration accepts a negative one, which means off, too.
func (v *values) duration(key string, d, most time.Duration) {
	if d > most {
		v.wrong(key, "at most "+text.Duration(most), "%s = %s is too long", last(key), text.Duration(d))
	}
}

// needed checks a duration without which something would never end.
func (v *values) needed(key string, d, most time.Duration, hint, why string) {
	if d <= 0 {
		v.wrong(key, hint, "%s cannot be switched off: %s", last(key), why)
		return
	}
	v.duration(key, d, most)
}

// given checks the duration of an act: none, or longer than 0.
func (v *values) given(key string, d, most time.Duration) {
	if d < 0 {
		v.wrong(key, "leave it out for the default", "%s = %s is not longer than 0", key, text.Duration(d))
		return
	}
	v.duration(key, d, most)
}

func (v *values) rate(key string, r float64) {
	switch {
	case r == 0:
	case math.IsNaN(r), math.IsInf(r, 0), r < minRate, r > MaxRate:
		v.wrong(key, "it is from one a day to 1000000000 a second; 0 is none", "%s = %s/s is out of range", last(key), strconv.FormatFloat(r, 'g', -1, 64))
	}
}

func (v *values) choice(key, value string, of ...string) {
	for _, o := range of {
		if o == value {
			return
		}
	}
	v.wrong(key, "it is one of "+strings.Join(of, ", "), "unknown %s %q", last(key), value)
}

// name rejects what could not be written on a command line, as in tcpctl drain
// SERVICE/BACKEND, or is misleading when shown.
func (v *values) name(key, what, name string) {
	switch {
	case name == "":
		v.wrong(key, "give it a name", "a %s has no name", what)
	case len(name) > maxName:
		v.wrong(key, "shorten it", "%s %q: a name has at most %d bytes", what, name[:20]+"...", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return r == '/' || unicode.IsSpace(r) }):
		v.wrong(key, "use letters, digits, - and _", "%s %q: a name has no space and no slash", what, name)
	case text.Safe(name) != name:
		v.wrong(key, "use letters, digits, - and _", "%s %q: a name has no control or format characters", what, name)
	case name[0] == '-':
		v.wrong(key, "commands would take it for a flag", "%s %q: a name does not begin with -", what, name)
	}
}

// networks rejects the zero Prefix, which contains no client: in a list of denied
// networks it would keep nobody out.
func (v *values) networks(key string, all []netip.Prefix) {
	for i, p := range all {
		if !p.IsValid() {
			v.wrong(fmt.Sprintf("%s[%d]", key, i), `write "10.0.0.0/8"`, "%s has an invalid network", last(key))
		}
	}
}

// argv rejects what no system can run; an empty list runs nothing, and is allowed.
func (v *values) argv(key string, argv []string) {
	switch {
	case len(argv) > 0 && argv[0] == "":
		v.wrong(key, `write ["/path/of/program"]`, "%s has no program", last(key))
	case slices.ContainsFunc(argv, func(arg string) bool { return strings.IndexByte(arg, 0) >= 0 }):
		v.wrong(key, "leave it out", "%s %.80q: an argument must not have a zero byte", last(key), argv)
	}
}

func (v *values) addr(key, addr string, listen bool) {
	if len(addr) > maxAddr {
		v.wrong(key, "shorten it", "%s %.20q...: an address has at most %d bytes", last(key), addr, maxAddr)
		return
	}
	if err := checkAddr(addr, listen); err != nil {
		v.wrong(key, addrHint(addr), "%s %v", last(key), err)
	} else if text.Safe(addr) != addr || strings.ContainsFunc(addr, unicode.IsSpace) {
		v.wrong(key, "leave them out", "%s %q: an address has no space, control or format characters", last(key), addr)
	}
}

// addrHint says what to write in place of what ParseAddress refuses.
func addrHint(addr string) string {
	switch {
	case strings.HasPrefix(addr, "unix:"):
		return "write unix:/run/name.sock"
	case strings.Count(addr, ":") > 1:
		return "" // the error has it
	}
	return "write it like 127.0.0.1:5432"
}

// note checks what people write: a reason, a mark.
func (v *values) note(key, said string) {
	if len(said) > maxNote {
		v.wrong(key, fmt.Sprintf("at most %d", maxNote), "%s: %d bytes are too many", key, len(said))
	}
}
