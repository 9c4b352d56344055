package raftlog

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

// A NodeConfig is the configuration of a Node. Lease, Now and Answer are needed.
type NodeConfig struct {
	LogConfig
	Lease    time.Duration        // AgentConfig.Lease of the agents
	Election time.Duration        // how long a voter hears of no leader, at least, before it stands for election; 0: 1 s
	Now      func() time.Duration // a clock that runs while the system sleeps
	// Answer sends answers to agents. Changed is called when the leader, the voters or
	// Err in Status have changed; nil: it is not. The node's goroutine calls both: they
	// must not block.
	Answer  func([]cluster.AnswerTo)
	Changed func(Status)
}

// maxInbox is how many messages wait for the node; more are dropped, as on any network.
const maxInbox = 4096

// A Node runs a Log and the cluster.Voter over it in one goroutine, which Close ends.
// Its methods may be called by any goroutine, and block only where they say so.
type Node struct {
	cfg    NodeConfig
	log    *Log
	voter  *cluster.Voter
	status Status // as last passed to Changed; only the goroutine uses it
	ticks  int    // since status was published
	ticked time.Time

	mu     sync.Mutex
	inbox  []func()
	closed bool
	shown  Status

	wake chan struct{}
	stop chan struct{}
	done chan struct{}
}

// minElection is far above a timeout whose ticks would be 0; no disk is as fast.
const minElection = time.Millisecond

// Start opens the log and starts the node. The errors are those of Open.
func Start(c NodeConfig) (*Node, error) {
	if c.Election <= 0 {
		c.Election = time.Second
	}
	if c.Election < minElection {
		return nil, fmt.Errorf("raftlog: Election is %v: want %v or more", c.Election, minElection)
	}
	log, err := Open(c.LogConfig)
	if err != nil {
		return nil, err
	}
	state, err := log.State()
	if err != nil {
		log.Close()
		return nil, err
	}
	n := &Node{
		cfg: c, log: log, voter: cluster.NewVoter(c.Node, c.Lease, state, log),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	n.shown = log.Status()
	go n.run()
	return n, nil
}

// Receive passes on a message of another voter. The error is what is known to be wrong
// with it at once: it wraps ErrMessage or cluster.ErrNewer, or is an
// *OtherClusterError.
func (n *Node) Receive(from cluster.NodeID, data []byte) error {
	id, err := ClusterOf(data)
	if err != nil {
		return err
	}
	if id != n.log.cluster {
		return &OtherClusterError{Ours: n.log.cluster, Theirs: id}
	}
	n.post(false, func() {
		if err := n.log.Step(from, data); err != nil && n.log.Err() == nil {
			n.log.logger.Warn("cluster: a voter's message was refused", "from", from, "error", err)
		}
	})
	return nil
}

// Request passes on an agent's request.
func (n *Node) Request(r cluster.Request) {
	n.post(false, func() { n.voter.Step(n.cfg.Now(), r) })
}

// Status returns what the node knew at most a quarter of an election timeout ago.
func (n *Node) Status() Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shown
}

// View calls do with the current state of this voter. do must only read it, and not
// keep it. View blocks while the voter writes to disk; the error is ErrClosed.
func (n *Node) View(do func(*cluster.State)) error {
	return n.call(func() { do(n.voter.State()) })
}

// Look is View, but waits no longer than ctx. do may be called even after that.
func (n *Node) Look(ctx context.Context, do func(*cluster.State)) error {
	return n.callWithin(ctx, func() { do(n.voter.State()) })
}

// SetMember makes a node a member of the cluster, or removes it, which ends its lease.
// The error is cluster.ErrNotLeader or ErrClosed.
func (n *Node) SetMember(node cluster.NodeID, removed bool) (err error) {
	return either(n.call(func() {
		if !n.voter.SetMember(node, removed) {
			err = cluster.ErrNotLeader
		}
	}), &err)
}

func either(err error, other *error) error {
	if err != nil {
		return err
	}
	return *other
}

// Close ends the node's goroutine, waits for it, and closes the log. It may be called
// more than once.
func (n *Node) Close() error {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.stop)
	}
	n.mu.Unlock()
	<-n.done
	return nil
}

// post makes the goroutine call do.
func (n *Node) post(always bool, do func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || !always && len(n.inbox) >= maxInbox {
		return false
	}
	n.inbox = append(n.inbox, do)
	select {
	case n.wake <- struct{}{}:
	default:
	}
	return true
}

// call makes the goroutine call do, and waits.
func (n *Node) call(do func()) error { return n.callWithin(context.Background(), do) }

func (n *Node) callWithin(ctx context.Context, do func()) error {
	called := make(chan struct{})
	if !n.post(true, func() { do(); close(called) }) {
		return ErrClosed
	}
	select {
	case <-called:
		return nil
	case <-n.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the node's goroutine. It wakes as rarely as it can, which is nearly all of the
// cost of a voter without clients.
func (n *Node) run() {
	defer close(n.done)
	n.ticked = time.Now()
	timer := time.NewTimer(n.tick())
	defer timer.Stop()
	for silent := true; ; timer.Reset(n.sleep(silent)) {
		select {
		case <-n.stop:
			if err := n.log.Close(); err != nil {
				n.log.logger.Warn("cluster: the log was not closed cleanly", "error", err)
			}
			return
		case <-timer.C:
			silent = true
		case <-n.wake:
			silent = false
		}
		n.tickLog()
		n.mu.Lock()
		inbox := n.inbox
		n.inbox = nil
		n.mu.Unlock()
		for _, do := range inbox {
			do()
		}
		n.work()
	}
}

func (n *Node) tick() time.Duration { return n.cfg.Election / (2 * ElectionTicks) }

// mostTicks is how many ticks may count for one sleep. A process that slept longer
// could not hear the others, so that their silence does not count.
const mostTicks = beatTicks + 1

// tickLog counts the time that has passed.
func (n *Node) tickLog() {
	now := time.Now()
	due := int(now.Sub(n.ticked) / n.tick())
	n.ticked = n.ticked.Add(time.Duration(due) * n.tick())
	for range min(due, mostTicks) {
		n.log.Tick()
		n.ticks++
	}
}

// sleep returns the time until the next tick that matters: a leader's next beat, or, at
// a voter that hears the beats, the time at which one is missing.
func (n *Node) sleep(silent bool) time.Duration {
	ticks := 1
	switch leader := n.log.ready.Leader; {
	case leader == n.log.id:
		ticks = n.log.untilBeat()
	case leader != 0 && !silent:
		ticks = mostTicks
	}
	return max(time.Until(n.ticked)+time.Duration(ticks)*n.tick(), 0)
}

// work writes and sends what has gathered, until nothing more follows from it.
func (n *Node) work() {
	for more := true; more; {
		n.log.Advance()
		n.voter.Poll(n.cfg.Now())
		if err := n.voter.Err(); err != nil {
			n.log.Stop(err)
		}
		if n.log.CompactDue() {
			_ = n.log.Compact(n.voter.State().Snapshot()) // Err has the error
		}
		if answers := n.voter.Answers(); len(answers) > 0 {
			n.cfg.Answer(answers)
		}
		more = n.log.Advance()
	}
	n.show()
}

// showTicks is after how many ticks the status is published.
const showTicks = ElectionTicks / 2

// show publishes the status: regularly, and at once when another voter leads or this
// one has stopped.
func (n *Node) show() {
	if n.ticks < showTicks && n.log.ready.Leader == n.status.Leader && (n.log.err == nil) == (n.status.Err == nil) {
		return
	}
	n.ticks = 0
	s := n.log.Status()
	s.Leases = n.voter.Leases()
	n.mu.Lock()
	n.shown = s
	n.mu.Unlock()
	if n.cfg.Changed != nil && s.differs(&n.status) {
		n.cfg.Changed(s)
	}
	n.status = s
}

// Fresh sets s to what the node knows now. It blocks while the voter writes to disk;
// the error is ErrClosed.
func (n *Node) Fresh(s *Status) error {
	return n.call(func() { *s = n.log.Status() })
}
