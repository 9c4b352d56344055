package member

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Do carries out an act on a service of scope cluster on all nodes that have it. It
// returns once this node does what was agreed on.
func (m *Member) Do(ctx context.Context, target string, r *api.Request) (string, error) {
	service, backend := api.SplitTarget(target)
	if !m.agrees(service) {
		return "", proxy.ErrNoQuorum
	}
	switch r.Act {
	case "pause":
		return m.pause(ctx, service, r)
	case "resume":
		return m.resume(ctx, service, r)
	case "weight":
		return m.weigh(ctx, service, backend, r)
	}
	return m.setAdmin(ctx, service, backend, r)
}

var errUnheard = errors.New("whether that holds now is not known: no majority has confirmed it in time; repeating it is safe")

// agrees reports whether the known facts about a service are complete, and acts can be proposed.
func (m *Member) agrees(service string) bool { return m.Lease() > 0 && m.known(service).joined }

// act proposes an op for all nodes. It returns false without a lease: nothing was done.
func (m *Member) act(op cluster.Op) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.wake()
	return m.agent.Act(m.cfg.Now(), op)
}

// say proposes an op for all nodes, and waits until it is in force, here as well.
func (m *Member) say(ctx context.Context, op cluster.Op, holds func(*cluster.Fact) bool) error {
	if !m.act(op) {
		return proxy.ErrNoQuorum
	}
	return m.await(ctx, op.Service, holds)
}

// await waits until a fact holds, and the engine has followed it.
func (m *Member) await(ctx context.Context, service string, holds func(*cluster.Fact) bool) error {
	for {
		m.mu.Lock()
		k, stepped := m.knownLocked(service), m.stepped
		f := m.followerLocked(service)
		over := holds(&k.fact) && (f == nil || f.followed >= k.index)
		m.mu.Unlock()
		if over {
			return nil
		}
		select {
		case <-stepped:
		case <-ctx.Done():
			return errUnheard
		}
	}
}

// begin closes a service, or takes its backend out, on all nodes, and returns the plan. If that is not
// confirmed in time, the plan is given up: should it begin nevertheless, this node ends it at once.
func (m *Member) begin(ctx context.Context, op cluster.Op, note pauseNote) (cluster.Plan, error) {
	note.At, note.Which = time.Now(), rand.Text()
	op.Kind, op.Note = cluster.OpPause, noteText(note)
	others := func(p *cluster.Plan) bool { return p.Runs() || p.Reserved && p.ID != op.Token }
	p := m.known(op.Service).fact.Plan
	switch {
	case others(&p):
		return p, m.refusedBy(op.Service, &p, note.By, op.Flag)
	case op.Token != 0 && !p.Reserved:
		return p, errors.New("this node was lost for so long that the roll's place was given up: begin another roll")
	}
	err := m.say(ctx, op, func(f *cluster.Fact) bool { return others(&f.Plan) })
	p = m.known(op.Service).fact.Plan
	switch {
	case errors.Is(err, proxy.ErrNoQuorum):
		return p, err
	case err == nil && p.Note == op.Note:
		return p, nil
	}
	m.endLater(note.Which, endNote{By: note.By, Why: "its begin was not confirmed in time"})
	if err != nil {
		what := op.Service + " is paused"
		if op.Text != "" {
			what = op.Service + "/" + op.Text + " is taken out"
		}
		return p, api.NoQuorum("no majority has confirmed in time that "+what+": it is given up, and should it begin nevertheless, it is ended at once on all nodes",
			"tcpctl cluster status shows the voters; then try again")
	}
	return p, m.refusedBy(op.Service, &p, note.By, op.Flag)
}

// refusedBy returns the error for a plan that is already in force; one's own pause is not an error but "already".
func (m *Member) refusedBy(service string, p *cluster.Plan, by string, window bool) error {
	note := readNote[pauseNote](p.Note)
	since := max(0, time.Since(note.At)).Round(time.Second)
	switch {
	case p.Reserved:
		return fmt.Errorf("a roll of %s is under way on all nodes, by %s on %s, between two backends; wait for its end, or abort it there", service, note.By, m.nameOf(p.Owner))
	case p.Backend != "":
		return fmt.Errorf("%s/%s is being restarted on all nodes, by %s for %s", service, p.Backend, note.By, since)
	case !p.Window && !window && note.By == by:
		return already("%s: already paused by you, on all nodes", service)
	}
	return fmt.Errorf("%s is paused already on all nodes, by %s for %s", service, note.By, since)
}

type alreadyError string

func (e alreadyError) Error() string        { return string(e) }
func (e alreadyError) Is(target error) bool { return target == proxy.ErrAlready }

func already(format string, args ...any) error { return alreadyError(fmt.Sprintf(format, args...)) }

func (m *Member) pause(ctx context.Context, service string, r *api.Request) (string, error) {
	o := proxy.PauseOptions{Limit: r.Limit, Then: r.Then, Max: r.Max, Quiet: r.Quiet, By: r.By, Reason: r.Reason}
	if err := o.Validate(); err != nil {
		return "", err
	}
	p, err := m.begin(ctx, cluster.Op{Service: service, Max: r.Max}, pauseNote{By: r.By, Reason: r.Reason, Limit: r.Limit, Then: r.Then, Quiet: r.Quiet})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pause %s on %s for %s at most", service, m.nodesText(service), text.Duration(p.Max)), nil
}

// nodesText says on how many nodes a service is.
func (m *Member) nodesText(service string) string {
	k := m.known(service)
	return text.Plural(len(m.nodes(&k)), "node")
}

func (m *Member) resume(ctx context.Context, service string, r *api.Request) (string, error) {
	o := proxy.ResumeOptions{Rate: r.Rate, By: r.By, Reason: r.Reason, Force: r.Force}
	if err := o.Validate(); err != nil {
		return "", err
	}
	p := m.known(service).fact.Plan
	switch {
	case !p.Closes():
		return "", api.ErrHere
	case p.Window && !r.Force:
		return "", fmt.Errorf("%s is paused by a window of %s on all nodes; it resumes by itself, use --force to resume it now", service, readNote[pauseNote](p.Note).By)
	}
	if err := m.end(ctx, service, p.ID, cluster.Op{}, endNote{By: r.By, Why: "resumed by " + r.By, Rate: r.Rate}); err != nil {
		return "", err
	}
	return fmt.Sprintf("resume %s on %s", service, m.nodesText(service)), nil
}

// end ends a plan. how has the op's Flag and From.
func (m *Member) end(ctx context.Context, service string, plan uint64, how cluster.Op, why endNote) error {
	op := cluster.Op{Kind: cluster.OpResume, Service: service, Token: plan, Flag: how.Flag, From: how.From, Note: noteText(why)}
	return m.say(ctx, op, func(f *cluster.Fact) bool { return f.Plan.ID != plan || !f.Plan.Runs() })
}

// setAdmin implements drain, maint and ready.
func (m *Member) setAdmin(ctx context.Context, service, backend string, r *api.Request) (string, error) {
	o := proxy.DrainOptions{Limit: r.Limit, Then: r.Then, Quiet: r.Quiet, By: r.By, Reason: r.Reason}
	if err := o.Validate(); err != nil {
		return "", err
	}
	op := cluster.Op{Kind: cluster.OpBackend, Service: service, Text: backend}
	note := drainNote{By: r.By, Reason: r.Reason, Limit: r.Limit, Then: r.Then, Quiet: r.Quiet}
	if r.Act != "ready" {
		op.State, op.Note = r.Act, noteText(note)
	}
	now := backendOf(m.known(service).fact, backend)
	was := readNote[drainNote](now.Note)
	same := was.Limit == note.Limit && was.Then == note.Then && was.Quiet == note.Quiet
	switch {
	case r.Act == "ready" && now.State == "":
		return "", api.ErrHere // only this node's, or nothing
	case r.Act != "ready" && now.State == r.Act && same:
		return "", already("%s/%s: already in %s on all nodes, by %s", service, backend, r.Act, was.By)
	}
	err := m.say(ctx, op, func(f *cluster.Fact) bool {
		b := backendOf(*f, backend)
		return b.State == op.State && b.Note == op.Note
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s/%s on %s", r.Act, service, backend, m.nodesText(service)), nil
}

func (m *Member) weigh(ctx context.Context, service, backend string, r *api.Request) (string, error) {
	n, err := strconv.Atoi(r.Args[0]) // validated before
	if err != nil {
		return "", err
	}
	if b := backendOf(m.known(service).fact, backend); b.Weighs && b.Weight == uint64(n) {
		return "", already("weight of %s/%s: already %d on all nodes", service, backend, n)
	}
	op := cluster.Op{Kind: cluster.OpBackend, Service: service, Text: backend, From: uint64(n), Flag: true}
	err = m.say(ctx, op, func(f *cluster.Fact) bool {
		b := backendOf(*f, backend)
		return b.Weighs && b.Weight == uint64(n)
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("weight of %s/%s: %d, on %s", service, backend, n, m.nodesText(service)), nil
}

func backendOf(f cluster.Fact, name string) cluster.Backend {
	for _, b := range f.Backends {
		if b.Name == name {
			return b
		}
	}
	return cluster.Backend{Name: name}
}
