package quorum

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/lock/cluster"
	"github.com/tcpctl/tcpctl/lock/cluster/raftlog"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

const (
	helloWithin = 5 * time.Second
	writeWithin = 10 * time.Second
	maxOut      = 256 // frames queued for a stream; more are dropped
)

// A link is a stream to another node. Either side may have opened it.
type link struct {
	peer meshinfo.Peer
	node cluster.NodeID
	conn net.Conn
	out  chan []byte
	done chan struct{} // closed: the writer ends

	handshakeDone bool // the other side belongs to our cluster, or to none; guarded by the Part's lock
}

// Serve takes a stream that a peer has opened, whose first byte was Magic, and owns it.
func (p *Part) Serve(peer meshinfo.Peer, conn net.Conn) {
	p.mu.Lock()
	if p.ctx.Err() != nil || errors.Is(p.stopped, errLease) {
		p.mu.Unlock()
		conn.Close()
		return
	}
	p.wg.Add(1)
	p.mu.Unlock()
	defer p.wg.Done()
	p.serve(peer, conn)
}

// dialVoters opens streams to the voters that have none.
func (p *Part) dialVoters() {
	if errors.Is(p.Stopped(), errLease) {
		return
	}
	wanted := p.Voters()
	if node := p.voter(); node != nil {
		s := node.Status()
		wanted = append(append(wanted, s.Voters...), s.Learners...)
	}
	for _, peer := range p.cfg.Mesh.Peers() {
		node, err := NodeOf(peer.ID)
		if err != nil || !reached(&peer) || !slices.Contains(wanted, node) {
			continue
		}
		p.mu.Lock()
		busy := p.dialing[node] || len(p.links[node]) > 0
		if !busy {
			p.dialing[node] = true
		}
		p.mu.Unlock()
		if busy {
			continue
		}
		p.wg.Go(func() {
			conn, err := p.cfg.Mesh.OpenStream(p.ctx, peer.ID)
			if err == nil {
				if _, err = conn.Write([]byte{Magic}); err == nil {
					p.serve(peer, conn)
				} else {
					conn.Close()
				}
			}
			p.mu.Lock()
			p.dialing[node] = false
			p.mu.Unlock()
		})
	}
}

// serve runs a stream until it ends.
func (p *Part) serve(peer meshinfo.Peer, conn net.Conn) {
	defer conn.Close()
	node, err := NodeOf(peer.ID)
	if err != nil || !peer.Trusted {
		return
	}
	l := &link{peer: peer, node: node, conn: conn, out: make(chan []byte, maxOut), done: make(chan struct{})}
	if !p.add(l) {
		return
	}
	defer p.remove(l)
	p.wg.Go(l.write)
	defer close(l.done)
	r := bufio.NewReader(conn)
	if err := p.handshake(l, r); err != nil {
		p.refused(l, err)
		return
	}
	p.mu.Lock()
	l.handshakeDone = true
	p.mu.Unlock()
	p.tellCarrier()
	for {
		kind, data, err := readFrame(r, meshLimits)
		if err == nil {
			err = p.take(l, kind, data)
		}
		if err != nil {
			p.refused(l, err)
			return
		}
	}
}

// handshake reads and checks the other side's hello. Ours was sent by add.
func (p *Part) handshake(l *link, r io.Reader) error {
	l.conn.SetReadDeadline(time.Now().Add(helloWithin))
	theirs, err := readHello(r)
	if err != nil {
		return err
	}
	l.conn.SetReadDeadline(time.Time{})
	p.noteVersion(l.node, theirs.Version != p.cfg.version)
	if theirs.Version != p.cfg.version {
		return &versionError{p.cfg.version, theirs.Version}
	}
	p.mu.Lock()
	ours := p.kept.Cluster
	p.mu.Unlock()
	switch {
	case slices.Contains(theirs.Before, ours) && theirs.Lease == p.cfg.Lease && p.isVoter(l.peer.Name):
		return p.superseded(l, theirs.Cluster)
	case theirs.Cluster != "" && ours != "" && theirs.Cluster != ours:
		return otherCluster(ours, theirs.Cluster)
	case theirs.Lease != p.cfg.Lease:
		return leaseError(p.cfg.Lease, theirs.Lease)
	case theirs.Cluster == "" || theirs.Cluster == ours:
		return nil
	case !p.isVoter(l.peer.Name): // only a voter that our file names may say which cluster this is
		return nil
	}
	p.note(false, "cluster: this node belongs to cluster "+theirs.Cluster+", says "+l.peer.Name)
	return p.keepCluster(theirs.Cluster)
}

func (p *Part) isVoter(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.voters, name)
}

// refused reports why a stream ended, as an event if an operator has to know. After a handshake that has failed it
// delays the next attempt; meanwhile the other side gets our hello, and refuses by itself.
func (p *Part) refused(l *link, err error) {
	_, other := errors.AsType[*raftlog.OtherClusterError](err)
	_, version := errors.AsType[*versionError](err)
	if version {
		p.tellCarrier()
	}
	switch {
	case other:
		p.noteOnce("cluster: " + l.peer.Name + " is refused: " + plain(err) + "; tcpctl cluster doctor says what to do")
	case version, errors.Is(err, errLease), errors.Is(err, errRecovered):
		p.noteOnce("cluster: " + l.peer.Name + " is refused: " + plain(err))
	case cluster.Newer(err) || errors.Is(err, cluster.ErrCorrupt) || errors.Is(err, raftlog.ErrMessage):
		p.noteOnce("cluster: what " + l.peer.Name + " says is refused: " + plain(err))
	default:
		p.cfg.Log.Debug("cluster: a stream has ended", "peer", l.peer.Name, "error", err)
	}
	if p.ctx.Err() == nil && !l.handshakeDone {
		select {
		case <-time.After(every):
		case <-p.ctx.Done():
		}
	}
}

func otherCluster(ours, theirs string) error {
	return &raftlog.OtherClusterError{Ours: ours, Theirs: theirs}
}

// end ends the reader and the writer. A stream of the mesh that was closed is still read until the other side has closed
// it, too, which a node that hangs does not do.
func (l *link) end() {
	l.conn.SetReadDeadline(time.Unix(1, 0))
	l.conn.Close()
}

func (p *Part) endLinksLocked() {
	for _, all := range p.links {
		for _, l := range all {
			l.end()
		}
	}
}

// write sends queued frames until the stream ends.
func (l *link) write() {
	for {
		select {
		case b := <-l.out:
			b = l.more(b)
			l.conn.SetWriteDeadline(time.Now().Add(writeWithin))
			if _, err := l.conn.Write(b); err != nil {
				l.end()
				return
			}
		case <-l.done:
			return
		}
	}
}

// more appends the other queued frames, as each write wakes the other side.
func (l *link) more(b []byte) []byte {
	for len(b) < 64<<10 {
		select {
		case next := <-l.out:
			b = append(b, next...)
		default:
			return b
		}
	}
	return b
}

// add queues our hello on a link, and makes send use the link.
func (p *Part) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || len(p.links[l.node]) >= 4 {
		return false
	}
	l.out <- encodeHello(hello{p.cfg.version, p.kept.Cluster, p.kept.Before, p.cfg.Lease})
	p.links[l.node] = append(p.links[l.node], l)
	return true
}

// tellCarrier reports that new voters are known, or that one is reached.
func (p *Part) tellCarrier() {
	p.mu.Lock()
	c := p.carrier
	p.mu.Unlock()
	if c != nil {
		c.tell()
	}
}

func (p *Part) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := slices.DeleteFunc(p.links[l.node], func(o *link) bool { return o == l })
	if p.links[l.node] = rest; len(rest) == 0 {
		delete(p.links, l.node)
	}
}

// send sends a frame to a node. It drops the frame if there is no stream or its queue is full.
func (p *Part) send(to cluster.NodeID, kind byte, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.links[nodeOf(to)]
	if len(all) == 0 {
		return
	}
	select {
	case all[len(all)-1].out <- encodeFrame(kind, data):
	default:
	}
}
