package mesh

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// SetRecord publishes this node's record, bytes of the program's, to all peers, which have it as meshinfo.Peer.Record. They are
// copied. A peer gets the record when it connects, and then the newest one, once a second at most, or four times while it
// watches. It fails when record has more than 1 MiB, or 64 KiB without Config.Secrets or
// with Config.Hubs. Through a hub it comes every two seconds at most.
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
	n.signed.version++
	n.recordChanged()
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

// setRecord stores the peer's record, which comes only over its own link: no other node can forge it.
func (p *peer) setRecord(number uint64, record []byte) {
	n := p.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if number <= p.recordNo {
		return
	}
	p.recordNo, p.record = number, record
	n.publish(Event{Kind: EventUpdate, Peer: p.value()})
}

// Watch asks all peers to send their records four times a second, until ctx ends: for a console that is open.
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
			l.out.post(func(p *outgoing) { p.watch = true })
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

// peersChanged queues the list of connected peers for all peers. Called with node.mu held.
func (n *Node) peersChanged() {
	n.cacheDirty = true
	for _, l := range n.links {
		l.out.post(func(p *outgoing) { p.peers = true })
	}
}

// shareablePeers returns the other connected peers, to be sent over l.
func (n *Node) shareablePeers(l *link) []peerAddrs {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := []peerAddrs{}
	for _, p := range n.peers {
		if p.link == nil || p.link == l || p.state == meshinfo.Down || len(out) == maxPeerList || !n.listed(p) {
			continue
		}
		var addrs []netip.AddrPort
		for _, a := range p.addrs {
			if a.Addr().Zone() == "" && (!a.Addr().IsLoopback() || l.addr.Addr().IsLoopback()) {
				addrs = append(addrs, a)
			}
		}
		if len(addrs) > 0 {
			out = append(out, peerAddrs{ID: p.id, Name: p.name, Addrs: addrs})
		}
	}
	return out
}

// listed reports whether the peer is in the list that other nodes dial. Called with node.mu held.
func (n *Node) listed(p *peer) bool { return !n.hubs.on || n.namesHub(p.name) }
