// Package member connects an engine with its cluster: it implements proxy.Shared, whose methods are
// called on the data path with a queue locked, with a cluster.Agent, which one goroutine uses at a
// time, and a clock that also runs while the system sleeps. The link that carries messages to
// voters is passed in.
package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/proxy"
)

// Config is fixed for the life of a Member.
type Config struct {
	Lease time.Duration // the same on all nodes
	Keep  bool          // sessions go on when the lease is lost (on_lost = "keep")
	// Warn gets a sentence where the file of this node differs from what holds on
	// all nodes, once for each difference; nil: nothing is said.
	Warn func(service, text string)
	Now  func() time.Duration // nil: Boottime
}

// A Link is how a member reaches the voters.
type Link interface {
	Self() cluster.NodeID
	Incarnation() uint64        // higher at each start of the process
	Voters() []cluster.NodeID   // those known now
	Name(cluster.NodeID) string // a node's name for operators
	Send(cluster.RequestTo)     // must not block: what cannot be sent at once is dropped, and will be repeated
	OtherVersion() bool         // the voters have another version, and do not answer
	// SetMember registers step for answers, and again for when there is a new connection to the
	// voters. Both are called on any goroutine.
	SetMember(step func(cluster.Answer), again func())
}

// A Member is one node of a cluster. Run has to run for as long as it is used.
type Member struct {
	cfg       Config
	sayWithin time.Duration // as the constant, but in tests
	poke      chan struct{} // wakes Run

	mu       sync.Mutex // not held during calls of the engine
	agent    *cluster.Agent
	link     Link // nil: not joined yet
	services map[string]*service
	began    time.Duration
	leased   bool          // there was a lease
	other    bool          // the voters have another version
	stepped  chan struct{} // closed at a voter's next answer, or when a service has followed one

	followers []*follower                    // services of scope cluster
	gone      map[string]proxy.ClusterReport // last reports of followers that ended while another has their name
	facts     uint64                         // index of the last known facts
	changed   chan struct{}                  // closed when there are newer facts
	lost      map[cluster.NodeID]time.Time   // when the end of a lease was seen; zero: the lease runs
	rolls     map[string]uint64              // rolls under way here, by proxy.ClusterPause.Roll: the latest plan of each
	ends      map[string]endNote             // plans of this process that must end, by pauseNote.Which

	leaving chan struct{} // closed once the voters know everything; nil: Leave has not been called
}

// New returns a member that has not joined its cluster yet: clients wait.
func New(cfg Config) *Member {
	if cfg.Now == nil {
		cfg.Now = Boottime
	}
	agent := cluster.NewAgent(cluster.AgentConfig{Lease: cfg.Lease, Keep: cfg.Keep})
	return &Member{cfg: cfg, sayWithin: sayWithin, poke: make(chan struct{}, 1), agent: agent, services: map[string]*service{}, stepped: make(chan struct{}), changed: make(chan struct{}),
		lost: map[cluster.NodeID]time.Time{}, gone: map[string]proxy.ClusterReport{}, rolls: map[string]uint64{}, ends: map[string]endNote{}, began: cfg.Now()}
}

// Join joins the cluster, once.
func (m *Member) Join(l Link) {
	m.mu.Lock()
	m.link, m.began = l, m.cfg.Now()
	m.agent.Identify(l.Self(), l.Incarnation())
	m.mu.Unlock()
	l.SetMember(m.step, m.renew)
	m.wake()
}

// Run renews the lease, says what the engine has said, and does what the voters
// answer, until ctx ends. Then the lease runs out by itself: the engine has to have
// ended its sessions.
func (m *Member) Run(ctx context.Context) error {
	timer, err := newTimer(m.wake)
	if err != nil {
		return err
	}
	defer timer.stop()
	for {
		timer.set(m.turn())
		select {
		case <-ctx.Done():
			return nil
		case <-m.poke:
		}
	}
}

// turn does what is due, and returns the time until something will be.
func (m *Member) turn() time.Duration {
	m.mu.Lock()
	link := m.link
	m.mu.Unlock()
	if link == nil {
		return time.Hour // Join wakes Run
	}
	voters, other := link.Voters(), link.OtherVersion()
	m.mu.Lock()
	if len(voters) > 0 {
		m.agent.SetVoters(voters)
	} else if !m.leased { // otherwise a file that was read again names none that was ever met: the lease ends in time nevertheless
		m.mu.Unlock()
		return m.cfg.Lease / 6
	}
	if now := m.cfg.Now(); now >= m.agent.Deadline() {
		m.agent.Tick(now)
	}
	m.declareLocked()
	r := m.agent.Ready()
	calls := m.callsLocked(r)
	if m.other != other {
		m.other = other
		for _, sv := range m.services {
			for _, h := range sv.handles { // the reason for which waiters wait has changed
				calls = append(calls, h.user.Ask)
			}
		}
	}
	if m.leaving != nil && m.agent.Settled() {
		close(m.leaving)
		m.leaving = nil
	}
	m.mu.Unlock()
	for _, call := range calls {
		call()
	}
	for _, req := range r.Requests {
		link.Send(req)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(m.agent.Deadline()-m.cfg.Now(), 0)
}

// Leave waits until the voters know what the engine has said, as that its slots are
// free, for a while at most. Run still has to run.
func (m *Member) Leave(most time.Duration) {
	m.mu.Lock()
	known := make(chan struct{})
	m.leaving = known
	m.mu.Unlock()
	m.wake()
	select {
	case <-known:
	case <-time.After(most):
	}
}

// callsLocked returns the calls of the engine that an agent requests, to be made without the lock:
// sessions are cut before gates are asked again.
func (m *Member) callsLocked(r cluster.AgentReady) (calls []func()) {
	cut := map[*handle][]uint64{}
	for _, g := range r.Cut {
		if sv := m.services[g.Service]; sv != nil {
			if h, arrival := sv.find(g.Arrival); h != nil {
				cut[h] = append(cut[h], arrival)
			}
		}
	}
	for h, arrivals := range cut {
		calls = append(calls, func() { h.user.Cut(arrivals) })
	}
	slices.Sort(r.Ask)
	for _, name := range slices.Compact(r.Ask) {
		if sv := m.services[name]; sv != nil {
			for _, h := range sv.handles {
				calls = append(calls, h.user.Ask)
			}
		}
	}
	return calls
}

// step handles a voter's answer.
func (m *Member) step(a cluster.Answer) {
	m.mu.Lock()
	now := m.cfg.Now()
	m.agent.Step(now, a)
	if _, runs := m.agent.Runs(now); runs {
		m.leased = true
	}
	close(m.stepped)
	m.stepped = make(chan struct{})
	m.noteFactsLocked()
	m.mu.Unlock()
	m.wake()
}

// renew repeats everything, since there is a new connection to the voters.
func (m *Member) renew() {
	m.mu.Lock()
	m.agent.Renew(m.cfg.Now())
	m.mu.Unlock()
	m.wake()
}

// Lease returns for how long the node's lease runs still; 0: it has none.
func (m *Member) Lease() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cfg.Now()
	until, runs := m.agent.Runs(now)
	if !runs {
		return 0
	}
	return until - now
}

// ID is this process, as the state knows it; 0: it has not joined yet.
func (m *Member) ID() cluster.NodeID {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.link == nil {
		return 0
	}
	return m.link.Self()
}

// Leader returns which voter renewed the node's lease last; 0: none has yet.
func (m *Member) Leader() cluster.NodeID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.agent.Leader()
}

// Errors of SetSlots: nothing was done.
var (
	ErrNoLease   = errors.New("this node has no lease of the cluster, since it reaches no majority of the voters")
	ErrNoService = errors.New("this node has no service of that name whose lock is the cluster's")
	ErrFewSlots  = errors.New("too few slots for order = \"shares\"")
)

// SetSlots gives a service's lock so many slots on all nodes, and before_next as this
// node's file has it. It waits until that holds; an error of ctx says that this is
// not known.
func (m *Member) SetSlots(ctx context.Context, name string, slots uint64) error {
	voters := m.voters()
	m.mu.Lock()
	defer m.mu.Unlock()
	sv := m.services[name]
	if sv == nil || len(sv.handles) == 0 {
		return ErrNoService
	}
	want := sv.values
	want.Slots = slots
	if want.Shares && slots < cluster.SlotsPerNode*voters {
		return fmt.Errorf("%w: %d for each of %d nodes", ErrFewSlots, cluster.SlotsPerNode, voters)
	}
	if !m.sayLocked(name, want) {
		return ErrNoLease
	}
	for valuesOf(m.agent.Facts(name)) != want {
		stepped := m.stepped
		m.mu.Unlock()
		select {
		case <-stepped:
		case <-ctx.Done():
		}
		m.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// voters returns the number of known voters.
func (m *Member) voters() uint64 {
	m.mu.Lock()
	link := m.link
	m.mu.Unlock()
	if link == nil {
		return 0
	}
	return uint64(len(link.Voters()))
}

// sayLocked proposes values for all nodes. It returns false without a lease.
func (m *Member) sayLocked(name string, v Values) bool {
	now := m.cfg.Now()
	m.wake()
	return m.agent.Act(now, cluster.Op{Kind: cluster.OpHooks, Service: name, From: v.Every, Flag: v.Exclusive}) &&
		m.agent.Act(now, cluster.Op{Kind: cluster.OpOrder, Service: name, Flag: v.Shares}) &&
		m.agent.Act(now, cluster.Op{Kind: cluster.OpSlots, Service: name, From: v.Slots})
}

// Facts returns what the node knows of a service on all nodes.
func (m *Member) Facts(service string) cluster.Fact {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.agent.Facts(service)
}

func (m *Member) wake() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// declareLocked proposes a service's slots, and which of its tokens need a hook, if the cluster
// does not know these yet; existing values take precedence.
func (m *Member) declareLocked() {
	now := m.cfg.Now()
	if _, runs := m.agent.Runs(now); !runs {
		return
	}
	for name, sv := range m.services {
		f := m.agent.Facts(name)
		switch {
		case f.Slots != 0:
			m.compare(name, sv, f)
			m.warnCrowd(name, sv, f)
		case sv.declared == 0 || now-sv.declared > m.cfg.Lease: // a proposal may have been lost with a lease
			sv.declared = now
			m.sayLocked(name, sv.values)
		}
	}
}

func (m *Member) compare(name string, sv *service, f cluster.Fact) {
	here, there := sv.values, valuesOf(f)
	if there == sv.known {
		return
	}
	sv.known = there
	if m.cfg.Warn != nil && here != there {
		m.cfg.Warn(name, fmt.Sprintf("%s: the file of this node has %s; on all nodes it is %s, which holds", name, here, there))
	}
}

// warnCrowd warns that too many nodes share the slots.
func (m *Member) warnCrowd(name string, sv *service, f cluster.Fact) {
	_, _, nodes := m.agent.Share(name)
	if !f.Sharing || f.Slots >= cluster.SlotsPerNode*nodes || nodes <= sv.crowd {
		return
	}
	sv.crowd = nodes
	if m.cfg.Warn != nil {
		m.cfg.Warn(name, fmt.Sprintf("%s: %d slots are shared by %d nodes, and %d for each are advised: clients wait for slots of other nodes", name, f.Slots, nodes, cluster.SlotsPerNode))
	}
}

// Share is for proxy.ServiceConfig.Shared: services of all members that have the
// same name share their slots. The values are those of this node's file, now.
func (m *Member) Share(name string, v Values) func(proxy.SharedUser) proxy.Shared {
	m.mu.Lock()
	defer m.mu.Unlock()
	sv := m.services[name]
	if sv == nil {
		sv = &service{}
		m.services[name] = sv
	}
	if sv.values != v {
		sv.values, sv.known = v, Values{}
	}
	m.wake()
	return func(u proxy.SharedUser) proxy.Shared { return m.handle(sv, u) }
}

// handle makes the Shared of a new service.
func (m *Member) handle(sv *service, u user) *handle {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := &handle{member: m, service: sv, user: u}
	sv.handles = append(sv.handles, h)
	m.agent.Use(u.Service(), true)
	return h
}
