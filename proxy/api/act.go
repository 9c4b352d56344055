package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	Name  string // the word: tcpctl NAME, :NAME, POST /v1/acts/NAME
	On    Target
	Many  bool     // several targets at once
	Args  string   // what follows the target: "ADDR", "N"
	Short string   // one line of help, without a full stop
	Level Level    // at least so much confirmation; the impact may raise it
	Flags []string // which of Options it takes, by flag name
	Undo  string   // the act that takes it back, "" when none does
	Plan  bool     // it starts a plan: whoever types it waits for its report

	apply    func(e *proxy.Engine, target string, r *Request) (string, error)
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

// Options are what acts can be told. Each act takes those that its Flags name.
// JSON has its durations in seconds: see seconds.
type Options struct {
	Limit   time.Duration `json:"-"`              // --limit: how long live sessions may take; 0 is the default
	Then    string        `json:"then,omitempty"` // --then: abort, cut or keep
	Max     time.Duration `json:"-"`              // --max: the longest pause
	Rate    float64       `json:"rate,omitempty"` // --rate: grants or kicks a second
	Reason  string        `json:"reason,omitempty"`
	Force   bool          `json:"force,omitempty"`
	DryRun  bool          `json:"dry_run,omitempty"`
	Save    bool          `json:"save,omitempty"`    // keep it over a restart
	Service string        `json:"service,omitempty"` // kick: of this service
	Backend string        `json:"backend,omitempty"` // kick: on this backend
	Client  string        `json:"client,omitempty"`  // kick: from this address or CIDR
	Grace   time.Duration `json:"-"`                 // stop: how long sessions may take
	MinUp   int           `json:"min_up,omitempty"`  // roll: how many others must be up
	MaxWait time.Duration `json:"-"`                 // roll: stop when somebody has waited longer
}

// Result is what came of an act.
type Result struct {
	Texts  []string `json:"texts"`            // a sentence for each target
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
	Done    bool   `json:"done"`
	Failed  bool   `json:"failed,omitempty"`   // it came to nothing
	TimedUp bool   `json:"timed_up,omitempty"` // a limit passed first
	Text    string `json:"text"`
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

// Takes reports whether the act has the option of this flag name.
func (a *Act) Takes(flag string) bool {
	for _, f := range a.Flags {
		if f == flag {
			return true
		}
	}
	return false
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
func (r *Request) CommandLine() string {
	words := append([]string{"tcpctl", r.Act}, r.Targets...)
	words = append(words, r.Args...)
	add := func(flag, value string) {
		if value != "" && value != "0" && value != "0s" {
			words = append(words, "--"+flag, quote(value))
		}
	}
	add("service", r.Service)
	add("backend", r.Backend)
	add("client", r.Client)
	add("limit", shortDuration(r.Limit))
	add("then", r.Then)
	add("max", shortDuration(r.Max))
	if r.Rate > 0 {
		add("rate", strconv.FormatFloat(r.Rate, 'g', -1, 64)+"/s")
	}
	add("grace", shortDuration(r.Grace))
	add("min-up", strconv.Itoa(r.MinUp))
	add("max-wait", shortDuration(r.MaxWait))
	add("reason", r.Reason)
	if r.Force {
		words = append(words, "--force")
	}
	if r.Save {
		words = append(words, "--save")
	}
	return strings.Join(words, " ")
}

// shortDuration writes 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func quote(s string) string {
	if strings.ContainsAny(s, " \t\"'$&|;<>()*?") {
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

// ErrTime says that a time limit passed before an act was done.
var ErrTime = errors.New("a time limit passed first")

// Err is nil for an act that is done, or still on its way.
func (p Progress) Err() error {
	switch {
	case p.TimedUp:
		return fmt.Errorf("%w: %s", ErrTime, p.Text)
	case p.Failed:
		return Refused(p.Text, "")
	}
	return nil
}
