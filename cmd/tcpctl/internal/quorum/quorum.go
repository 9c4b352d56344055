// Package quorum is this node's part in a cluster: on a voter the log on which the
// voters agree, and on each node the streams of the mesh over which voters and
// members speak.
//
// A cluster is made by Init at one voter. It adds the other voters that its file
// names as soon as the mesh reaches them; they learn the cluster's id from it and
// keep it. Two clusters never mix: who has another id is refused, by both sides.
package quorum

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Mesh is what is needed of a mesh.Node.
type Mesh interface {
	ID() string
	NodeName() string
	Peers() []meshinfo.Peer
	OpenStream(ctx context.Context, id string) (net.Conn, error)
}

// A Config is fixed for the life of a Part, but for Voters.
type Config struct {
	Mesh     Mesh
	Voters   []string // nodes by name
	Dir      string   // of the log, and of what is known of the cluster
	Lease    time.Duration
	Election time.Duration
	Now      func() time.Duration // a clock that runs while the system sleeps
	Log      *slog.Logger
	Note     func(alarm bool, text string) // makes an event

	version int // of streams; for tests
}

// A Part is this node's part. Close it.
type Part struct {
	cfg    Config
	self   cluster.NodeID
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	dirLock *os.File // the locked file in Dir; nil: another process of this node has it still

	opening sync.Mutex // held while the log is made, opened or removed

	mu         sync.Mutex
	voters     []string
	kept       kept
	node       *raftlog.Node // nil: this node does not vote
	stopped    error         // why a voter does not vote
	leaderless time.Duration // since when this node's voter knows no leader, if it knows none
	adding     bool
	carrier    *Carrier                   // of this process; nil: it has no member
	links      map[cluster.NodeID][]*link // frames go over the last one
	dialing    map[cluster.NodeID]bool
	foreign    map[cluster.NodeID]bool // nodes that speak another version
	noted      map[string]time.Time
}

// every is how often a Part checks which voters there are and which it reaches. At first it checks
// more often: members of this node may have lost their way to the voters with the previous process,
// while their leases run.
const (
	every      = 500 * time.Millisecond
	everyFirst = every / 10
	firstLooks = 100
)

// Start begins to take part. The mesh may not be joined yet.
func Start(c Config) (*Part, error) {
	c.version = cmp.Or(c.version, version)
	self, err := NodeOf(c.Mesh.ID())
	if err != nil {
		return nil, err
	}
	p := &Part{cfg: c, self: self, voters: c.Voters, links: map[cluster.NodeID][]*link{}, dialing: map[cluster.NodeID]bool{}, noted: map[string]time.Time{}, foreign: map[cluster.NodeID]bool{}}
	if err := p.openKept(); err != nil {
		p.dirLock.Close() // may be nil
		return nil, err
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if k := p.kept; k.Cluster != "" && k.Lease != c.Lease {
		p.stopped = leaseError(c.Lease, k.Lease)
		p.note(true, "cluster: this node takes no part: "+plain(p.stopped))
	} else {
		p.openLog()
	}
	p.wg.Go(p.run)
	return p, nil
}

// SetVoters makes the part follow a file that was read again.
func (p *Part) SetVoters(voters []string) {
	p.mu.Lock()
	p.voters = slices.Clone(voters)
	p.mu.Unlock()
}

// Close ends the part, and waits for its goroutines. One that leads hands that over
// first.
func (p *Part) Close() {
	p.handOver()
	p.cancel()
	p.mu.Lock()
	p.endLinksLocked()
	p.mu.Unlock()
	p.wg.Wait()
	if node := p.voter(); node != nil {
		node.Close()
	}
	p.dirLock.Close() // may be nil
}

// handOver passes the leadership, if this voter has it, to the voter with the most complete log.
func (p *Part) handOver() {
	node := p.voter()
	if node == nil {
		return
	}
	s := node.Status()
	var best raftlog.Peer
	for _, peer := range s.Peers {
		if peer.Active && slices.Contains(s.Voters, peer.Node) && (best.Node == 0 || peer.Match > best.Match) {
			best = peer
		}
	}
	if s.Leader != p.self || best.Node == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.Election)
	defer cancel()
	_ = node.Lead(ctx, best.Node) // if it fails, the others elect a leader
}

// run maintains the streams to the voters, and adds missing voters if this one leads.
func (p *Part) run() {
	tick := time.NewTicker(everyFirst)
	defer tick.Stop()
	var told []cluster.NodeID
	for looks := 0; ; looks++ {
		if looks == firstLooks {
			tick.Reset(every)
		}
		p.learnNames()
		if voters := p.Voters(); !slices.Equal(voters, told) {
			told = voters
			p.tellCarrier()
		}
		p.lockDir() // that of the process before this one is free now, or soon
		p.openAgain()
		p.dialVoters()
		p.addVoters()
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return
		}
	}
}

// openLog starts this node's voter, if it has a log.
func (p *Part) openLog() {
	node, err := raftlog.Start(raftlog.NodeConfig{
		LogConfig: raftlog.LogConfig{Dir: p.cfg.Dir, Node: p.self, Logger: p.cfg.Log, Send: p.sendVoters},
		Lease:     p.cfg.Lease, Election: p.cfg.Election, Now: p.cfg.Now, Answer: p.sendAnswers, Changed: p.changed,
	})
	if err == raftlog.ErrNone {
		return
	}
	if err == nil {
		if err = p.keepCluster(node.Status().Cluster); err != nil {
			node.Close() // it must not vote
		}
	}
	p.mu.Lock()
	if err == nil && p.ctx.Err() != nil { // Close does not know of this voter
		p.mu.Unlock()
		node.Close()
		return
	}
	p.leaderless = p.cfg.Now()
	again := errors.Is(err, raftlog.ErrInUse) && errors.Is(p.stopped, raftlog.ErrInUse)
	if p.stopped = err; err == nil {
		p.node = node
	}
	p.mu.Unlock()
	if err != nil && !again {
		p.note(true, "cluster: this node does not vote: "+plain(err))
	}
}

// openAgain opens the log once another process of this node has closed it in an upgrade.
func (p *Part) openAgain() {
	if errors.Is(p.Stopped(), raftlog.ErrInUse) {
		p.opening.Lock()
		p.openLog()
		p.opening.Unlock()
	}
}

// voter returns this node's voter, or nil.
func (p *Part) voter() *raftlog.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.node
}

// changed reports a new leader, or that this voter has stopped.
func (p *Part) changed(s raftlog.Status) {
	p.noteLeader(s.Leader)
	switch {
	case s.Err != nil:
		p.note(true, "cluster: this node does not vote any more: "+plain(s.Err))
	case s.Leader == 0:
		p.note(false, "cluster: no voter leads")
	case len(s.Voters) == 0: // not known yet
		p.note(false, fmt.Sprintf("cluster: %s leads", p.Name(s.Leader)))
	default:
		p.note(false, fmt.Sprintf("cluster: %s leads, of %d voters", p.Name(s.Leader), len(s.Voters)))
	}
}

func (p *Part) note(alarm bool, text string) { p.cfg.Note(alarm, text) }

// noteOnce makes an alarm of something repeated, at most once in ten minutes.
func (p *Part) noteOnce(text string) {
	p.mu.Lock()
	again := time.Since(p.noted[text]) < 10*time.Minute
	if !again {
		if len(p.noted) > 100 {
			clear(p.noted)
		}
		p.noted[text] = time.Now()
	}
	p.mu.Unlock()
	if !again {
		p.note(true, text)
	}
}
