package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// A window is a proxy.ClusterWindow that this node owns.
type window struct {
	member  *Member
	service string
	backend string // the backend to restart; "": the whole service
	id      uint64
	which   string // pauseNote.Which
	roll    string // proxy.ClusterPause.Roll
	by      string
	rate    float64
	force   bool // continue without unknown nodes

	mu    sync.Mutex
	nodes []proxy.NodeReport // as last known
	late  bool               // numbers are no longer awaited
}

// Window begins a window of a service, or of one backend of it, on all nodes. One that has
// no lease can neither be asked to do its part nor, without a lock, be relied on to have no
// session: only force leaves it out.
func (m *Member) Window(ctx context.Context, target, roll string, r *api.Request) (proxy.ClusterWindow, error) {
	service, backend := api.SplitTarget(target)
	w := &window{member: m, service: service, backend: backend, roll: roll, by: r.By, rate: r.Rate, force: r.Force}
	if err := w.may(); err != nil {
		return nil, err
	}
	op := cluster.Op{Service: service, Text: backend, Max: r.Max, Flag: true}
	if backend != "" {
		op.State = proxy.AdminDrain
	}
	if roll != "" {
		m.mu.Lock()
		op.Token = m.rolls[roll]
		m.mu.Unlock()
	}
	p, err := m.begin(ctx, op, pauseNote{By: r.By, Reason: r.Reason, Limit: r.Limit, Then: r.Then, Quiet: r.Quiet, Rate: r.Rate, Roll: roll})
	if err != nil {
		return nil, err
	}
	if w.id, w.which = p.ID, readNote[pauseNote](p.Note).Which; roll != "" {
		m.mu.Lock()
		m.rolls[roll] = p.ID
		m.mu.Unlock()
	}
	return w, nil
}

// MayPlan is the error with which the act on a target would be refused now, and what becomes of nodes
// that it leaves out.
func (m *Member) MayPlan(target string, r *api.Request) (leftOut []string, err error) {
	service, backend := api.SplitTarget(target)
	w := &window{member: m, service: service, backend: backend, force: r.Force}
	does := ""
	switch r.Act {
	case "window":
		does = "its clients are not held"
	case "roll":
		w.backend = "each backend"
		fallthrough
	case "restart":
		does = "it goes on sending its clients to " + w.backend + " while that is restarted"
	}
	if err := w.may(); err != nil || does == "" || !w.force {
		return nil, err
	}
	k := m.known(service)
	ends := !slices.ContainsFunc(k.fact.Nodes, func(n cluster.Server) bool { return !k.slotsEnd(n) })
	for _, n := range m.Serving(service) {
		if n.Unknown != "" && !ends {
			leftOut = append(leftOut, fmt.Sprintf("%s is left out, as %s: %s", n.Node, n.Unknown, does))
		}
	}
	return leftOut, nil
}

func (w *window) may() error {
	if !w.member.agrees(w.service) {
		return proxy.ErrNoQuorum
	}
	k := w.member.known(w.service)
	if unknown, _ := w.missing(&k); len(unknown) > 0 && !w.force {
		return fmt.Errorf("%s; nothing is done without it; use --force to leave it out", strings.Join(unknown, ", "))
	}
	return nil
}

// errFollowed means that the window no longer exists.
var errFollowed = errors.New("it is not under way any more: another pause or restart has followed it")

// await waits until over returns true for the known facts, or the window no longer exists.
func (w *window) await(ctx context.Context, over func(k *known) (bool, error)) error {
	for {
		k := w.member.known(w.service)
		if k.fact.Plan.ID != w.id {
			return errFollowed
		}
		if end, err := over(&k); end || err != nil {
			return err
		}
		select {
		case <-k.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ended returns the error of a window that was ended early.
func ended(p *cluster.Plan) error {
	if p.Step != cluster.Resumed {
		return nil
	}
	end, is := readNote[endNote](p.End), "the service is open: "
	if p.Backend != "" {
		is = "the restart is over: "
	}
	if end.GivenUp {
		return fmt.Errorf("%w: %s", proxy.ErrGivenUp, end.Why)
	}
	return errors.New(is + cmp.Or(end.Why, "it reached its deadline"))
}

// Settled waits until no session is live on any node.
func (w *window) Settled(ctx context.Context) (detail string, err error) {
	err = w.await(ctx, func(k *known) (bool, error) {
		if err := ended(&k.fact.Plan); err != nil {
			return true, err
		}
		unknown, waits := w.missing(k)
		if len(unknown) > 0 && !w.force {
			return true, fmt.Errorf("%s; the command was not run", strings.Join(unknown, ", "))
		}
		detail = fmt.Sprintf("%s on %s", w.settledText(), text.Plural(len(w.member.nodes(k))-len(unknown), "node"))
		if len(unknown) > 0 {
			detail += "; left out: " + strings.Join(unknown, ", ")
		}
		return len(waits) == 0, nil
	})
	return detail, err
}

func (w *window) settledText() string {
	if w.backend != "" {
		return "drained"
	}
	return "no session is live"
}

// step proposes the plan's next step, and waits until it is in force.
func (w *window) step(ctx context.Context, to cluster.Step) error {
	p := w.member.known(w.service).fact.Plan
	if err := ended(&p); err != nil && p.ID == w.id {
		return err
	}
	op := cluster.Op{Kind: cluster.OpStep, Service: w.service, Token: w.id, From: uint64(to)}
	ctx, cancel := context.WithTimeout(ctx, w.member.sayWithin)
	defer cancel()
	var over error
	err := w.member.say(ctx, op, func(f *cluster.Fact) bool {
		if f.Plan.ID != w.id {
			over = errFollowed
		} else {
			over = ended(&f.Plan)
		}
		return over != nil || f.Plan.Step == to
	})
	if errors.Is(err, errUnheard) {
		err = fmt.Errorf("%w: %w", proxy.ErrNoQuorum, err)
	}
	return cmp.Or(err, over)
}

// sayWithin is how long a majority may take to agree on a step before it is proposed again.
const sayWithin = 5 * time.Second

// Command says that the command runs, or that nobody knows whether it does.
func (w *window) Command(ctx context.Context, runs bool) error {
	if runs {
		return w.step(ctx, cluster.Command)
	}
	return w.step(ctx, cluster.Paused)
}

// Check waits until all nodes that have a lease have checked their backends.
func (w *window) Check(ctx context.Context) (detail string, err error) {
	if err := w.step(ctx, cluster.Checking); err != nil {
		return "", err
	}
	var waits []string
	err = w.await(ctx, func(k *known) (bool, error) {
		waits = nil
		reports := reportsOf(&k.fact.Plan)
		for _, n := range k.fact.Nodes {
			if n.Lease && !reports[n.Node].DoneWith(cluster.Checking) {
				waits = append(waits, w.member.nameOf(n.Node))
			}
		}
		if err := ended(&k.fact.Plan); err != nil && len(waits) > 0 {
			return true, fmt.Errorf("no good checks on %s: %w", strings.Join(waits, ", "), err)
		}
		detail = "good on " + text.Plural(len(w.member.nodes(k)), "node")
		return len(waits) == 0, nil
	})
	if err != nil && err == context.Cause(ctx) && len(waits) > 0 {
		err = fmt.Errorf("no good checks on %s: %w", strings.Join(waits, ", "), err)
	}
	return detail, err
}

// Resume opens the service on all nodes, or puts the backend back if it is good: then its roll keeps its
// place. What is not good and cannot be said now is said later.
func (w *window) Resume(ctx context.Context, good bool) error {
	end := endNote{By: w.by, Rate: w.rate}
	p := w.member.known(w.service).fact.Plan
	switch {
	case good && w.backend != "" && p.ID == w.id && p.Step == cluster.Resumed && p.End != noteText(end):
		return ended(&p) // the backend stays drained
	case p.ID != w.id || p.Step == cluster.Resumed:
		return nil
	}
	how := cluster.Op{Flag: good}
	if good && w.roll != "" {
		how.From = cluster.ReservePlace
	}
	ctx, cancel := context.WithTimeout(ctx, w.member.sayWithin)
	defer cancel()
	err := w.member.end(ctx, w.service, w.id, how, end)
	if err != nil && !good {
		w.member.endLater(w.which, end)
	}
	if errors.Is(err, errUnheard) {
		return fmt.Errorf("%w: %w", proxy.ErrNoQuorum, err)
	}
	return err
}

// reportsWithin is how long to wait for numbers that do not change.
const reportsWithin = 30 * time.Second

// Reported waits until all nodes that have a lease have said their last numbers, which
// they do once all that they held are served or gone.
func (w *window) Reported(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	unchanged := time.AfterFunc(reportsWithin, cancel)
	defer unchanged.Stop()
	var last map[cluster.NodeID]cluster.NodeReport
	err := w.await(ctx, func(k *known) (bool, error) {
		w.nodesOf(k)
		reports := reportsOf(&k.fact.Plan)
		if !maps.Equal(reports, last) {
			unchanged.Reset(reportsWithin)
			last = reports
		}
		for _, n := range k.fact.Nodes {
			if r, said := reports[n.Node]; n.Lease && said && !r.DoneWith(cluster.Resumed) {
				return false, nil
			}
		}
		return true, nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = err != nil
}
