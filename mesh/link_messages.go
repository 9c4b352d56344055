package mesh

import (
	"cmp"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// read handles the peer's messages until the link ends.
func (l *link) read(control io.Reader) error {
	limit := maxControl
	if !l.handshake.trusted {
		limit = maxOpenControl
	}
	for {
		frame, err := readFrame(control, limit)
		if err != nil {
			return err
		}
		if err := l.handle(frame); err != nil {
			return err
		}
	}
}

func (l *link) handle(frame []byte) error {
	if len(frame) == 0 {
		return errors.New("mesh: an empty message")
	}
	closeOnce(l.firstMessage)
	switch body := frame[1:]; frame[0] {
	case msgHeartbeat:
		b, err := parseHeartbeat(body)
		if err != nil {
			return err
		}
		l.gotHeartbeat(b)
	case msgRecord:
		number, record, err := parseNumber(body)
		if err != nil {
			return err
		}
		l.peer.setRecord(number, record)
	case msgPeers:
		peers, err := parsePeers(body)
		if err != nil {
			return err
		}
		l.gotPeers(peers)
	case msgWatch:
		l.node.mu.Lock()
		l.peerWatches = len(body) == 1 && body[0] == 1
		l.node.mu.Unlock()
	case msgGaveUp:
		l.gaveUp = cmp.Or(plain.Clean(body[:min(len(body), maxGaveUp)]), "it does not say why")
		return errGaveUp
	case msgGoodbye:
		l.gotGoodbye()
	case msgGoodbyeAck:
		closeOnce(l.goodbyeAcked)
	case msgConnClosed:
		number, _, err := parseNumber(body)
		if err != nil {
			return err
		}
		l.gotConnClosed(number)
	default:
		return l.handleHub(frame[0], body)
	}
	return nil
}

// handleHub handles the messages of meshes with hubs.
func (l *link) handleHub(kind byte, body []byte) error {
	switch kind {
	case msgHub:
		l.gotHub(body)
	case msgSigned:
		return l.gotSigned(body)
	case msgFeedWanted:
		l.gotFeedWanted(body)
	case msgFeed:
		return l.gotFeed(body)
	case msgSpare:
		if l.retired = l.gotSpare(body); l.retired {
			return errSpare
		}
	}
	return nil
}

// closeOnce closes ch unless it is closed. Only one goroutine may close ch.
func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}

// gotPeers reports the peer's peers as found. Loopback addresses count only if the peer is on this machine.
func (l *link) gotPeers(peers []peerAddrs) {
	for _, t := range peers {
		var addrs []netip.AddrPort
		for _, a := range t.Addrs {
			if !a.Addr().IsLoopback() || l.addr.Addr().IsLoopback() {
				addrs = append(addrs, a)
			}
		}
		if len(addrs) > 0 {
			l.node.found(Sighting{ID: t.ID, Name: t.Name, Addrs: addrs}, sourcePeer)
		}
	}
}

// gotGoodbye handles msgGoodbye: the peer has departed. The link stays until the peer closes it, so that nothing in
// flight is lost.
func (l *link) gotGoodbye() {
	closeOnce(l.departed)
	l.out.post(func(o *outgoing) { o.goodbyeAck = true })
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	l.peer.told = nil
	l.markDown(meshinfo.Departed)
	if l.conn != nil {
		l.conn.linger()
	}
	n.peersChanged()
}

// markDown is called with node.mu held. The loss of a peer that was never alive is no event.
func (l *link) markDown(cause meshinfo.Cause) {
	if l.wasAlive {
		l.peer.setState(meshinfo.Down, cause)
	} else if cause == meshinfo.Departed {
		l.peer.cause, l.peer.since = meshinfo.Departed, time.Now()
	}
}

// markAlive is called with node.mu held, when the program's connection was made.
func (l *link) markAlive() {
	if l.wasAlive || l.peer.link != l || l.hasDeparted() {
		return
	}
	l.wasAlive = true
	l.peer.setState(meshinfo.Alive, "")
	l.peer.feedChanged(true) // even if a hub has reported it before
	l.node.peersChanged()
}

func (l *link) hasDeparted() bool {
	select {
	case <-l.departed:
		return true
	default:
		return false
	}
}

var errGaveUp = errors.New("mesh: the peer has ended the link")

const maxGaveUp = 200 // bytes of the reason

// sendLast tells the peer why we end the link, so that it does not take it for a crash. It gives up if the peer does not
// accept the message at once.
func (l *link) sendLast(why string) {
	l.out.post(func(o *outgoing) { o.gaveUp = why })
	l.awaitLast()
}

// awaitLast waits a moment until the last message is written.
func (l *link) awaitLast() {
	select {
	case <-l.lastSent:
	case <-l.ctx.Done():
	case <-time.After(250 * time.Millisecond):
	}
}
