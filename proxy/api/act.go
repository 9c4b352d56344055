package api

import (
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
	Name   string // the word: tcpctl NAME, :NAME, POST /v1/acts/NAME
	On     Target
	Many   bool    // several targets at once
	Args   string  // what follows the target: "ADDR", "N"
	Short  string  // one line of help, without a full stop
	Level  Level   // at least so much confirmation; the impact may raise it
	Params []Param // the options that it takes
	Undo   string  // the act that takes it back, "" when none does
	Plan   bool    // it starts a plan: the command waits for its report

	args     func(args []string) error // validates what follows the target; nil: anything
	apply    func(l *Local, before *Status, a *Act, r Request) (Result, error)
	impact   func(s *Status, target string, r *Request) Impact
	progress func(s *Status, target string, r *Request) Progress
}

// Request is one act that is asked for, with its options.
type Request struct {
	Act     string   `json:"act"`
	Targets []string `json:"targets,omitempty"` // "db", "db/a" or "s4711", as the act takes them
	Args    []string `json:"args,omitempty"`    // what follows the targets: a weight, an address, a text
	Options
	// Expect is the Stamp that the target had: the act is refused when the target
	// has changed since. Undo uses it. "": whatever it is now.
	Expect string `json:"expect,omitempty"`
	// By is the operator: "ana@edge-01". The server sets it, whatever the client sent.
	By string `json:"-"`

	// Cluster is of a plan on all nodes: proxy.PlanOptions.Cluster. The server sets it.
	Cluster proxy.ClusterWindows `json:"-"`
}

// Options are the options of all acts. Each act takes those of its Params,
// which also read and write them: on a command line, and as JSON.
type Options struct {
	Limit   time.Duration `json:"-"` // how long live sessions may take; 0 is the default
	Then    string        `json:"-"` // abort, cut or keep
	Quiet   time.Duration `json:"-"` // a live session that has carried nothing for so long is ended; 0 is the default
	Max     time.Duration `json:"-"` // the longest pause
	Rate    float64       `json:"-"` // grants or kicks a second
	Reason  string        `json:"-"`
	Force   bool          `json:"-"`
	DryRun  bool          `json:"-"`
	Save    bool          `json:"-"` // keep it over a restart
	Here    bool          `json:"-"` // on this node alone, of a service of scope cluster
	Service string        `json:"-"` // kick: of this service
	Backend string        `json:"-"` // kick: on this backend
	Client  string        `json:"-"` // kick: from this address or CIDR
	Grace   time.Duration `json:"-"` // stop: how long sessions may take
	MinUp   int           `json:"-"` // roll: how many others must be up
	MaxWait time.Duration `json:"-"` // roll: stop when a client has waited longer
}

// Result is the outcome of an act.
type Result struct {
	Texts  []string `json:"texts"`            // a sentence for each target
	Failed int      `json:"failed,omitempty"` // probes that did not pass
	Impact []Impact `json:"impact,omitempty"` // of a dry run
	Undo   *Request `json:"undo,omitempty"`   // what would take it back
	Plan   string   `json:"plan,omitempty"`   // the id of the plan that has begun
}

// Impact is what an act would do, seen from one snapshot.
type Impact struct {
	Target   string       `json:"target"`
	Lines    []string     `json:"lines"`             // sentences: "412 sessions drain first"
	Warning  string       `json:"warning,omitempty"` // why it needs force
	Cut      int          `json:"cut"`               // live sessions that would be cut
	Eligible [2]int       `json:"eligible"`          // backends before and after
	Backends int          `json:"backends"`
	Nodes    []NodeImpact `json:"nodes,omitempty"` // of an act on all nodes that have the service
	Level    Level        `json:"level"`           // the confirmation that it calls for
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

// Impact says what r would do to each of its targets, from one snapshot.
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
		if i.Lines == nil {
			i.Lines = []string{} // in JSON a list is [], never null
		}
		all = append(all, i)
	}
	return all
}

// SplitTarget splits "service/backend"; a service alone has no backend.
func SplitTarget(target string) (service, backend string) {
	service, backend, _ = strings.Cut(target, "/")
	return service, backend
}
