package mesh

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// SetRecord gives every peer this node's record: bytes that mean something to the program alone. They are copied. A peer
// gets the record when it connects, and then the newest one, once a second at most, or four times while it watches.
// The limit is 1 MiB, and 64 KiB without Config.Secrets.
func (n *Node) SetRecord(record []byte) error {
	if len(record) > n.cfg.recordLimit() {
		return errRecordSize(len(record), n.cfg.recordLimit())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.recordNo > 0 && bytes.Equal(record, n.record) {
		return nil
	}
	n.record = bytes.Clone(record)
	n.recordNo++
	for _, l := range n.links {
		l.out.post(func(p *pending) { p.record = true })
	}
	return nil
}

func errRecordSize(size, limit int) error {
	return fmt.Errorf("mesh: a record of %d bytes: the limit is %d", size, limit)
}

func (n *Node) currentRecord() (number uint64, record []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.recordNo, n.record
}

// setRecord takes what the peer says of itself. Nobody else can: a record comes over its owner's link alone.
func (p *peer) setRecord(number uint64, record []byte) {
	n := p.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if number <= p.recordNo {
		return
	}
	p.recordNo, p.record = number, record
	n.tell(Event{Kind: EventUpdate, Peer: p.value()})
}

// Watch asks all peers for their changes four times a second, until ctx ends: somebody is looking.
func (n *Node) Watch(ctx context.Context) {
	n.addWatchers(1)
	context.AfterFunc(ctx, func() { n.addWatchers(-1) })
}

func (n *Node) addWatchers(d int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.watchers > 0
	n.watchers += d
	if now := n.watchers > 0; now != before {
		for _, l := range n.links {
			l.out.post(func(p *pending) { p.watch = true })
		}
	}
}

func (n *Node) watching() byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.watchers > 0 {
		return 1
	}
	return 0
}

// peersChanged is called with node.mu held: everybody is to hear whom we are connected to now.
func (n *Node) peersChanged() {
	n.memoryDirty = true
	for _, l := range n.links {
		l.out.post(func(p *pending) { p.peers = true })
	}
}

// tellable is what we tell over l of the others.
func (n *Node) tellable(l *link) []told {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := []told{}
	for _, p := range n.peers {
		if p.link == nil || p.link == l || p.state == meshinfo.Down || len(out) == maxTold {
			continue
		}
		var addrs []netip.AddrPort
		for _, a := range p.addrs {
			if a.Addr().Zone() == "" && (!a.Addr().IsLoopback() || l.addr.Addr().IsLoopback()) {
				addrs = append(addrs, a)
			}
		}
		if len(addrs) > 0 {
			out = append(out, told{ID: p.id, Name: p.name, Addrs: addrs})
		}
	}
	return out
}
