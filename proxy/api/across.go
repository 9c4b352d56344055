package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Across performs acts on all nodes that have a service of scope cluster.
type Across interface {
	// Do performs an act on one target. An error that wraps proxy.ErrNoQuorum means that
	// nothing was done, ErrHere that the act applies to this node only.
	Do(ctx context.Context, target string, r *Request) (text string, err error)
	// Window begins a window on a service or one backend; this node owns it. roll is
	// proxy.ClusterPause.Roll: from its first window until EndRoll no other plan begins.
	Window(ctx context.Context, target, roll string, r *Request) (proxy.ClusterWindow, error)
	// EndRoll ends a roll: no further window follows. It does not wait.
	EndRoll(roll string)
	// MayPlan returns the error with which a plan would be refused now. leftOut says what
	// happens to the nodes that it would go on without.
	MayPlan(target string, r *Request) (leftOut []string, err error)
	// Plans returns the last pause or window of each service on all nodes.
	Plans() []ClusterPlan
	// Serving returns the nodes that have a service, by name; Unknown says why a node cannot
	// be reached.
	Serving(service string) []proxy.NodeReport
	// Drains returns the backends that are out of service on all nodes.
	Drains() []ClusterDrain
}

// ErrHere means that an act applies to this node only.
var ErrHere = errors.New("api: to be done on this node")

// ClusterPlan is the last pause, window or restart of a service on all nodes.
type ClusterPlan struct {
	Service string             `json:"service"`
	ID      uint64             `json:"id"`
	Window  bool               `json:"window,omitempty"`  // whether a command runs during the pause
	Backend string             `json:"backend,omitempty"` // backend that is restarted; absent: the service is paused
	Owner   string             `json:"owner"`             // node where it was requested
	By      string             `json:"by,omitempty"`      // operator
	Reason  string             `json:"reason,omitempty"`
	Since   time.Time          `json:"since"`
	Step    string             `json:"step"` // current step: pause, command, check, resumed, or next if the roll continues with another backend
	Nodes   []proxy.NodeReport `json:"nodes"`
}

// ClusterDrain is a backend that an operator took out of service on all nodes.
type ClusterDrain struct {
	Service string             `json:"service"`
	Backend string             `json:"backend"`
	State   string             `json:"state"` // drain or maint
	By      string             `json:"by,omitempty"`
	Reason  string             `json:"reason,omitempty"`
	Nodes   []proxy.NodeReport `json:"nodes"` // nodes, in state draining, done, kept, ready, given_up or unknown
}

// Drain returns the drain of a backend, "service/backend", or nil.
func (c *Cluster) Drain(target string) *ClusterDrain {
	if c == nil {
		return nil
	}
	for i := range c.Drains {
		if d := &c.Drains[i]; d.Service+"/"+d.Backend == target {
			return d
		}
	}
	return nil
}

// Part describes one node's part for people.
func (d *ClusterDrain) Part(n *proxy.NodeReport) string {
	switch {
	case n.Unknown != "":
		return "unknown: " + n.Unknown
	case n.State == proxy.DrainReady:
		return "ready"
	case n.State == proxy.DrainGivenUp:
		return fmt.Sprintf("%d live, its limit has passed", n.Live)
	case n.Numbers.Cut > 0:
		return fmt.Sprintf("%d live, %d cut", n.Live, n.Numbers.Cut)
	}
	return fmt.Sprintf("%d live", n.Live)
}

// progress follows a drain until none of its sessions is live on any node.
func (d *ClusterDrain) progress(target string) Progress {
	var parts []string
	is := map[string]int{}
	for i := range d.Nodes {
		n := &d.Nodes[i]
		parts = append(parts, n.Node+" "+d.Part(n))
		if is[n.State]++; n.Quiet {
			is["quiet"]++
		}
	}
	on := fmt.Sprintf("%s on %s: %s", target, text.Plural(len(d.Nodes), "node"), strings.Join(parts, ", "))
	switch {
	case is[proxy.DrainReady] > 0:
		return Progress{Done: true, Failed: true, Text: on + ": the " + d.State + " was ended before it was done"}
	case is[proxy.DrainGivenUp] > 0:
		return Progress{Done: true, Failed: true, TimedOut: true, Text: "drain limit passed on " + on}
	case is["quiet"] == len(d.Nodes):
		return Progress{Done: true, Text: "drained " + on}
	case is["quiet"]+is[proxy.DrainKept] == len(d.Nodes):
		return Progress{Done: true, TimedOut: true, Text: "limit passed of " + on}
	}
	return Progress{Text: "draining " + on}
}

// Plan returns the plan of a service, or nil.
func (c *Cluster) Plan(service string) *ClusterPlan {
	if c == nil {
		return nil
	}
	for i := range c.Plans {
		if c.Plans[i].Service == service {
			return &c.Plans[i]
		}
	}
	return nil
}

// Waits returns the names of the nodes that a pause waits for.
func (p *ClusterPlan) Waits() (names []string) {
	for _, n := range p.Nodes {
		if !n.Quiet {
			names = append(names, n.Node)
		}
	}
	return names
}

// progress follows a pause until no session is live on any node.
func (p *ClusterPlan) progress() Progress {
	waits := p.Waits()
	if len(waits) == 0 {
		return Progress{Done: true, Text: fmt.Sprintf("%s is paused on %s, no session is live", p.Service, text.Plural(len(p.Nodes), "node"))}
	}
	var parts []string
	for _, n := range p.Nodes {
		switch {
		case n.Unknown != "":
			parts = append(parts, n.Node+" "+n.Unknown)
		case slices.Contains(waits, n.Node):
			parts = append(parts, fmt.Sprintf("%s has %s", n.Node, text.Plural(n.Live, "session")))
		}
	}
	return Progress{Text: fmt.Sprintf("pausing %s on %s: %s", p.Service, text.Plural(len(p.Nodes), "node"), strings.Join(parts, ", "))}
}

// acrossTimeout is how long a majority may take to agree on an act.
const acrossTimeout = 10 * time.Second

// OfAll reports whether a target belongs to a service of scope cluster.
func (s *Status) OfAll(target string) bool {
	service, _ := SplitTarget(target)
	svc := s.Service(service)
	return svc != nil && svc.Scope == proxy.ScopeCluster
}

// Across reports whether the act on a target applies to all nodes, unless Here is
// set.
func (a *Act) Across(s *Status, target string) bool {
	return s.OfAll(target) && slices.Contains(acrossActs, a.Name)
}

// across reports whether an act on a target is for all nodes.
func (l *Local) across(s *Status, a *Act, target string, r *Request) bool {
	return !r.Here && l.Across != nil && a.Across(s, target)
}

// acrossActs are the acts on a service of scope cluster that apply to all nodes.
var acrossActs = []string{"pause", "resume", "drain", "maint", "ready", "weight", "restart", "roll"}

// doAcross does an act on all nodes, with the defaults of this one.
func (l *Local) doAcross(s *Status, a *Act, target string, r Request) (string, error) {
	r.Options = termsOf(a.Name, s, target, &r).holds
	ctx, cancel := context.WithTimeout(context.Background(), acrossTimeout)
	defer cancel()
	text, err := l.Across.Do(ctx, target, &r)
	return text, acrossError(err)
}

// planAcross makes a plan of this node act on all nodes. It refuses at once what would be
// refused later; abandon undoes what has begun. A roll begins a window for each backend.
func (l *Local) planAcross(ctx context.Context, s *Status, act, target string, r *Request) (abandon func() error, err error) {
	all := &acrossPlan{local: l, node: s.Node.Name, target: target, request: *r}
	all.request.Options, r.Cluster = termsOf(act, s, target, r).holds, all
	if act == "roll" {
		all.roll = rand.Text()
		_, err := l.Across.MayPlan(target, &all.request)
		return func() error { return nil }, acrossError(err)
	}
	w, err := all.begin(ctx, target)
	if err != nil {
		return nil, acrossError(err)
	}
	all.began = w
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), acrossTimeout)
		defer cancel()
		return w.Resume(ctx, false)
	}, nil
}

// An acrossPlan is a plan of this node on all nodes: proxy.ClusterWindows.
type acrossPlan struct {
	local        *Local
	node         string // the name of this node
	target, roll string // roll "": a single window, which
	began        proxy.ClusterWindow
	request      Request
}

func (p *acrossPlan) begin(ctx context.Context, target string) (proxy.ClusterWindow, error) {
	ctx, cancel := context.WithTimeout(ctx, acrossTimeout)
	defer cancel()
	return p.local.Across.Window(ctx, target, p.roll, &p.request)
}

func (p *acrossPlan) Begin(ctx context.Context, backend string) (proxy.ClusterWindow, error) {
	if p.began != nil {
		return p.began, nil
	}
	return p.begin(ctx, p.target+"/"+backend)
}

// Others leaves out lost nodes, which Begin refuses without force; with force also
// those that do not answer.
func (p *acrossPlan) Others(ctx context.Context) []proxy.ClusterView {
	service, _ := SplitTarget(p.target)
	all := slices.DeleteFunc(p.local.views(ctx, service), func(v proxy.ClusterView) bool { return v.Node == p.node })
	for i := range all {
		v := &all[i]
		v.LeftOut = v.LeftOut || v.Service == nil && p.request.Force
	}
	return all
}

func (p *acrossPlan) End() {
	if p.roll != "" {
		p.local.Across.EndRoll(p.roll)
	}
}

// acrossError gives an error of Across its status.
func acrossError(err error) error {
	if errors.Is(err, proxy.ErrNoQuorum) {
		return NoQuorum("no majority of the cluster's voters is reached: nothing was done", "tcpctl cluster status shows the voters; --here acts on this node alone")
	}
	return err
}
