package quorum

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
)

// take handles one frame of a peer.
func (p *Part) take(l *link, kind byte, data []byte) error {
	switch kind {
	case frameVoter:
		return p.takeVoter(l, data)
	case frameRequest:
		r, err := cluster.DecodeRequest(data)
		if err != nil {
			return err
		}
		if nodeOf(r.Node) != l.node {
			return fmt.Errorf("%w: a request of node %x, from node %x", cluster.ErrCorrupt, r.Node, l.node)
		}
		p.request(r)
		return nil
	case frameAnswer:
		r, err := cluster.DecodeAnswer(data)
		if err != nil {
			return err
		}
		if r.From != l.node {
			return fmt.Errorf("%w: an answer of node %x, from node %x", cluster.ErrCorrupt, r.From, l.node)
		}
		p.answer(r)
		return nil
	}
	return fmt.Errorf("%w: a frame of kind %d", raftlog.ErrMessage, kind)
}

// takeVoter passes a voter's message to this node's voter. A node that the file names and that has
// no log becomes a voter.
func (p *Part) takeVoter(l *link, data []byte) error {
	node := p.voter()
	if node == nil {
		id, err := raftlog.ClusterOf(data)
		if err != nil {
			return err
		}
		if node, err = p.joinLog(l, id); node == nil {
			return err
		}
	}
	return node.Receive(l.node, data)
}

func (p *Part) joinLog(l *link, id string) (*raftlog.Node, error) {
	p.opening.Lock()
	defer p.opening.Unlock()
	if node := p.voter(); node != nil { // another stream was first
		return node, nil
	}
	p.mu.Lock()
	// The file may no longer name a leader that is to be removed once this node votes: its id then
	// proves that it belongs to this node's cluster.
	named := slices.Contains(p.voters, p.cfg.Mesh.NodeName()) && (slices.Contains(p.voters, l.peer.Name) || p.kept.Cluster == id)
	stopped := p.stopped
	p.mu.Unlock()
	if stopped != nil {
		return nil, nil // until the operator runs cluster rejoin
	}
	if !named {
		p.noteOnce(fmt.Sprintf("cluster: %s takes this node for a voter, and the files differ: voters here does not name both; reload the same file on all nodes", l.peer.Name))
		return nil, nil
	}
	if err := p.keepCluster(id); err != nil {
		return nil, err
	}
	if err := raftlog.Join(p.cfg.Dir, p.self, id); err != nil {
		p.mu.Lock()
		p.stopped = err
		p.mu.Unlock()
		p.note(true, "cluster: this node cannot become a voter: "+plain(err))
		return nil, nil
	}
	p.openLog()
	return p.voter(), nil
}

// request passes a member's request to this node's voter.
func (p *Part) request(r cluster.Request) {
	if node := p.voter(); node != nil {
		node.Request(r)
		return
	}
	p.sendAnswers([]cluster.AnswerTo{{To: r.Node, Answer: cluster.Answer{From: p.self}}})
}

// Send sends what a member of this node says. It does not block.
func (p *Part) Send(r cluster.RequestTo) {
	if r.To == p.self {
		p.request(r.Request)
		return
	}
	p.send(r.To, frameRequest, cluster.EncodeRequest(r.Request))
}

// setCarrier makes c receive the answers to the members of this node.
func (p *Part) setCarrier(c *Carrier) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.carrier = c
	if p.kept.Process != c.number {
		p.kept.Process = c.number
		if err := p.keep(); err != nil {
			p.cfg.Log.Warn(err.Error())
		}
	}
}

// answer passes an answer to the carrier, for the processes of this node.
func (p *Part) answer(r cluster.Answer) {
	p.mu.Lock()
	c := p.carrier
	p.mu.Unlock()
	if c != nil {
		c.answer(r)
	}
}

// sendVoters and sendAnswers are the senders of a raftlog.Node.
func (p *Part) sendVoters(all []raftlog.Message) {
	for _, m := range all {
		p.send(m.To, frameVoter, m.Data)
	}
}

func (p *Part) sendAnswers(all []cluster.AnswerTo) {
	for _, r := range all {
		if nodeOf(r.To) == p.self {
			p.answer(r.Answer)
			continue
		}
		p.send(r.To, frameAnswer, cluster.EncodeAnswer(r.Answer))
	}
}

// addVoters adds the missing voters of the leader's file, one at a time. If the file replaces a
// voter, the new one is added before the old one is removed.
func (p *Part) addVoters() {
	node := p.voter()
	if node == nil {
		return
	}
	s := node.Status()
	all := append(slices.Clone(s.Voters), s.Learners...)
	named := p.Voters()
	p.mu.Lock()
	idle := !p.adding && s.Leader == p.self && s.Err == nil && len(all) <= len(p.voters)
	i := slices.IndexFunc(named, func(id cluster.NodeID) bool { return !slices.Contains(all, id) && p.linkedLocked(id) })
	if idle = idle && i >= 0; idle {
		p.adding = true
	}
	p.mu.Unlock()
	if !idle {
		return
	}
	id := named[i]
	p.wg.Go(func() {
		err := p.addVoter(node, id)
		if err != nil && p.ctx.Err() == nil && !errors.Is(err, cluster.ErrNotLeader) && !errors.Is(err, raftlog.ErrClosed) {
			p.noteOnce(fmt.Sprintf("cluster: %s does not become a voter: %s", p.Name(id), plain(err)))
		}
		p.mu.Lock()
		p.adding = false
		p.mu.Unlock()
	})
}
