package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tcpctl/tcpctl/proxy"
)

// Level is how much an act asks for before it is done.
type Level int

const (
	LevelNone   Level = iota // done at once
	LevelYesNo               // one line, y or N
	LevelDialog              // a dialog that shows the impact
	LevelTyped               // the target's name must be typed
)

// Target is what an act is done to.
type Target int

const (
	OnNothing Target = iota
	OnService
	OnBackend // "service/backend"
	OnSession // "s4711"
)

// Act is one thing that an operator can do to a running engine. The commands,
// the console's keys and the HTTP routes are made from the table of them.
type Act struct {
	Name   string // the word: tcpctl NAME, :NAME, POST /v1/acts/NAME
	On     Target
	Many   bool    // several targets at once
	Args   string  // what follows the target: "ADDR", "N"
	Short  string  // one line of help, without a full stop
	Level  Level   // at least so much confirmation; the impact may raise it
	Params []Param // the options that it takes
	Undo   string  // the act that takes it back, "" when none does
	Plan   bool    // it starts a plan: whoever types it waits for its report

	args     func(args []string) error // judges what follows the target; nil: anything
	apply    func(l *Local, before *Status, a *Act, r Request) (Result, error)
	impact   func(s *Status, target string, r *Request) Impact
	progress func(s *Status, target string, r *Request) Progress
}

// Request asks for one act.
type Request struct {
	Act     string   `json:"act"`
	Targets []string `json:"targets,omitempty"`
	Args    []string `json:"args,omitempty"`
	Options
	// Expect, when set, is the Stamp that the target had: the act is refused
	// when somebody has changed it since. Undo uses it.
	Expect string `json:"expect,omitempty"`
	// By is who asks: "ana@edge-01". The server sets it, whatever was sent.
	By string `json:"-"`
}

// Options are what acts can be told. Each act takes those of its Params, by
// which they are also read and written: on a command line, and as JSON.
type Options struct {
	Limit   time.Duration `json:"-"` // how long live sessions may take; 0 is the default
	Then    string        `json:"-"` // abort, cut or keep
	Max     time.Duration `json:"-"` // the longest pause
	Rate    float64       `json:"-"` // grants or kicks a second
	Reason  string        `json:"-"`
	Force   bool          `json:"-"`
	DryRun  bool          `json:"-"`
	Save    bool          `json:"-"` // keep it over a restart
	Service string        `json:"-"` // kick: of this service
	Backend string        `json:"-"` // kick: on this backend
	Client  string        `json:"-"` // kick: from this address or CIDR
	Grace   time.Duration `json:"-"` // stop: how long sessions may take
	MinUp   int           `json:"-"` // roll: how many others must be up
	MaxWait time.Duration `json:"-"` // roll: stop when a client has waited longer
}

// Result is what came of an act.
type Result struct {
	Texts  []string `json:"texts"`            // a sentence for each target
	Failed int      `json:"failed,omitempty"` // probes that did not pass
	Impact []Impact `json:"impact,omitempty"` // of a dry run
	Undo   *Request `json:"undo,omitempty"`   // what would take it back
	Plan   string   `json:"plan,omitempty"`   // the id of the plan that has begun
}

// Impact is what an act would do, seen from one snapshot.
type Impact struct {
	Target   string   `json:"target"`
	Lines    []string `json:"lines"`             // sentences: "412 sessions drain first"
	Warning  string   `json:"warning,omitempty"` // why it needs force
	Cut      int      `json:"cut"`               // live sessions that would be cut
	Eligible [2]int   `json:"eligible"`          // backends before and after
	Backends int      `json:"backends"`
	Level    Level    `json:"level"` // the confirmation that it calls for
}

// Progress is how far an act is that takes time.
type Progress struct {
	Done     bool   `json:"done"`
	Failed   bool   `json:"failed,omitempty"`    // it came to nothing
	TimedOut bool   `json:"timed_out,omitempty"` // a limit passed first
	Text     string `json:"text"`
}

// Lookup finds an act by its name; nil when there is none.
func Lookup(name string) *Act {
	for i := range Acts {
		if Acts[i].Name == name {
			return &Acts[i]
		}
	}
	return nil
}

// Param finds an option of the act by its name.
func (a *Act) Param(name string) (p Param, ok bool) {
	for _, p := range a.Params {
		if p.Name == name {
			return p, true
		}
	}
	return p, false
}

// Takes reports whether the act has the option of this name.
func (a *Act) Takes(name string) bool {
	_, ok := a.Param(name)
	return ok
}

// Use is the act's usage line: "drain SERVICE/BACKEND…".
func (a *Act) Use() string {
	use := a.Name + [...]string{"", " SERVICE", " SERVICE/BACKEND", " SESSION"}[a.On]
	if a.Name == "probe" {
		use = "probe SERVICE[/BACKEND]"
	}
	if a.Many {
		use += "..."
	}
	if a.Args != "" {
		use += " " + a.Args
	}
	return use
}

// Impact tells what r would do to each of its targets, from one snapshot.
func (a *Act) Impact(s *Status, r *Request) []Impact {
	if a.impact == nil {
		return nil
	}
	targets := r.Targets
	if a.On == OnNothing {
		targets = []string{""}
	}
	var all []Impact
	for _, target := range targets {
		i := a.impact(s, target, r)
		i.Target = target
		i.Level = max(i.Level, a.Level)
		all = append(all, i)
	}
	return all
}

// Progress tells how far r is on its target, from one snapshot. An act that
// takes no time is done.
func (a *Act) Progress(s *Status, target string, r *Request) Progress {
	if a.progress == nil {
		return Progress{Done: true}
	}
	return a.progress(s, target, r)
}

// CommandLine is the command that does the same: "tcpctl drain db/a --limit 5m".
// A shell takes it as it is.
func (r *Request) CommandLine() string {
	words := []string{"tcpctl", r.Act}
	for _, word := range slices.Concat(r.Targets, r.Args) {
		words = append(words, quote(word))
	}
	for _, p := range params {
		text := p.Text(&r.Options)
		switch {
		case text == "" || p.Name == paramDryRun.Name:
		case p.Kind() == KindSwitch:
			words = append(words, "--"+p.Name)
		default:
			words = append(words, "--"+p.Name, quote(text))
		}
	}
	return strings.Join(words, " ")
}

// quote writes a word so that a shell takes it as it is.
func quote(s string) string {
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_@%+=:,./-", r)
	}
	if s == "" || strings.ContainsFunc(s, odd) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// SplitTarget splits "service/backend"; a service alone has no backend.
func SplitTarget(target string) (service, backend string) {
	service, backend, _ = strings.Cut(target, "/")
	return service, backend
}

// Stamp is what an act on this target would have to expect: it changes when
// anybody changes the target.
func Stamp(s *Status, a *Act, target string) string {
	switch a.On {
	case OnBackend:
		if b := s.Backend(target); b != nil {
			return fmt.Sprint(b.Admin, b.Weight, b.Since.UnixNano())
		}
	case OnService:
		if svc := s.Service(target); svc != nil {
			stamp := svc.State == proxy.StateClosed
			if svc.Pause != nil {
				return fmt.Sprint(stamp, svc.Pause.Owner, svc.Pause.Since.UnixNano())
			}
			return fmt.Sprint(stamp)
		}
	}
	return ""
}

// ErrTimedOut says that a time limit passed before an act was done.
var ErrTimedOut = errors.New("a time limit passed first")

// Err is nil for an act that is done, or still on its way.
func (p Progress) Err() error {
	switch {
	case p.TimedOut:
		return fmt.Errorf("%w: %s", ErrTimedOut, p.Text)
	case p.Failed:
		return Refused(p.Text, "")
	}
	return nil
}
