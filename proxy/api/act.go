package api

import (
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Level is the confirmation that an act asks for.
type Level int

const (
	LevelNone   Level = iota // done at once
	LevelYesNo               // one line, y or N
	LevelDialog              // a dialog that shows the impact
	LevelTyped               // the target's name must be typed
)

// Target is the kind of thing that an act applies to.
type Target int

const (
	OnNothing Target = iota
	OnService
	OnBackend // "service/backend"
	OnSession // "s4711"
)

// Act is one thing that an operator can do to a running engine. The commands,
// the console's keys and the HTTP routes are derived from the table Acts.
type Act struct {
	Name   string // the NAME in tcpctl NAME, :NAME and POST /v1/acts/NAME
	On     Target
	Many   bool    // whether it takes several targets
	Args   string  // what follows the target: "ADDR", "N"
	Short  string  // one line of help, without a full stop
	Level  Level   // least confirmation; the impact may raise it
	Params []Param // options that it takes
	Undo   string  // act that undoes it; "": none
	Plan   bool    // whether it starts a plan, for whose report the command waits

	args     func(args []string) error // validates what follows the target; nil: anything
	apply    func(l *Local, before *Status, a *Act, r Request) (Result, error)
	impact   func(s *Status, target string, r *Request) Impact
	progress func(s *Status, target string, r *Request) Progress
}

// Request is a request for one act, with its options.
type Request struct {
	Act     string   `json:"act"`
	Targets []string `json:"targets,omitempty"` // "db", "db/a" or "s4711", as the act takes them
	Args    []string `json:"args,omitempty"`    // what follows the targets: a weight, an address, a text
	Options
	// Expect is an earlier Stamp of the target: the act is refused if the target has
	// changed since, as for an undo. "": any state.
	Expect string `json:"expect,omitempty"`
	// By is the operator: "ana@edge-01". The server sets it, whatever the client sent.
	By string `json:"-"`

	// Cluster is proxy.PlanOptions.Cluster, for a plan on all nodes. The server sets it.
	Cluster proxy.ClusterWindows `json:"-"`
}

// Options are the options of all acts. Each act takes those in its Params, which
// also parse and format them, on a command line and as JSON. Zero is the default.
type Options struct {
	Limit   time.Duration `json:"-"` // how long live sessions may take to end
	Then    string        `json:"-"` // what happens at Limit: abort, cut or keep
	Quiet   time.Duration `json:"-"` // end a live session that has carried no data for this long
	Max     time.Duration `json:"-"` // longest pause
	Rate    float64       `json:"-"` // grants or kicks per second
	Reason  string        `json:"-"`
	Force   bool          `json:"-"`
	DryRun  bool          `json:"-"`
	Save    bool          `json:"-"` // keep the change across restarts
	Here    bool          `json:"-"` // on this node only, even if the service's scope is cluster
	Service string        `json:"-"` // kick: of this service
	Backend string        `json:"-"` // kick: on this backend
	Client  string        `json:"-"` // kick: from this address or CIDR
	Grace   time.Duration `json:"-"` // stop: how long waiters and sessions may take to end
	MinUp   int           `json:"-"` // roll: how many other backends must be up
	MaxWait time.Duration `json:"-"` // roll: stop if a client has waited longer
}

// Result is the outcome of an act.
type Result struct {
	Texts  []string `json:"texts"`            // a sentence for each target
	Failed int      `json:"failed,omitempty"` // probes that did not pass
	Impact []Impact `json:"impact,omitempty"` // only for a dry run
	Undo   *Request `json:"undo,omitempty"`   // request that would undo it
	Plan   string   `json:"plan,omitempty"`   // id of the plan that it started
}

// Impact is what an act would do, according to one snapshot.
type Impact struct {
	Target   string       `json:"target"`
	Lines    []string     `json:"lines"`             // sentences: "412 sessions drain first"
	Warning  string       `json:"warning,omitempty"` // why the act needs force
	Cut      int          `json:"cut"`               // live sessions that would be cut
	Eligible [2]int       `json:"eligible"`          // eligible backends before and after
	Backends int          `json:"backends"`
	Nodes    []NodeImpact `json:"nodes,omitempty"` // for an act on all nodes that have the service
	Level    Level        `json:"level"`           // confirmation that the act needs
}

// Lookup returns the act with a name, or nil.
func Lookup(name string) *Act {
	for i := range Acts {
		if Acts[i].Name == name {
			return &Acts[i]
		}
	}
	return nil
}

// Param returns the option of the act with a name.
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

// Use returns the act's usage line: "drain SERVICE/BACKEND…".
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

// Impact returns what r would do to each of its targets, according to one
// snapshot.
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
