package mesh

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// link is the package's own connection to a peer. With a trusted peer it is a yamux session over TLS, with one stream for its
// messages and one for each OpenStream; with anybody else it is the messages alone, of which each has its limit. It is
// made by adopt, and owned by its run.
type link struct {
	node    *Node
	peer    *peer
	greeted *greeting
	theirs  hello
	addr    netip.AddrPort
	wire    *wire
	tls     *tls.Conn
	token   string         // what a connection of the program's shows to belong here
	session *yamux.Session // nil: the peer is not trusted
	out     outbox
	heard   chan struct{}   // closed by the first message: the other side has adopted the link too
	ctx     context.Context // done after end
	cancel  context.CancelFunc
	done    chan struct{} // closed when nothing is left of it
	endOnce sync.Once
	cause   meshinfo.Cause // set before ctx is done
	detail  string
	left    chan struct{} // closed by their goodbye
	lastOut chan struct{} // closed when our last message is with the system
	gaveUp  string        // why they gave us up; read's alone, until it has returned
	byeAck  chan struct{} // closed by the answer to ours
	streams chan struct{} // one place for each stream that they opened

	mu     sync.Mutex
	got    beat // the newest heartbeat
	gotAt  time.Time
	echoed chan struct{} // closed and replaced at each heartbeat

	// under node.mu
	conn     *Conn
	connNo   uint64        // the newest that was made, or that the other side has given up
	connGone chan struct{} // wakes keepConn
	ready    bool          // the program's connection has been there: the peer is alive
	late     time.Duration // how late our own timers were since we last heard anything
	watched  bool          // somebody watches over there
	judging  bool
	judged   meshinfo.Cause // what was found of a silent peer, before it is told and the link ends
}

// adopt makes the link that both sides have agreed on. The peer's settling is held.
func (n *Node) adopt(g *greeting, p *peer) (*link, error) {
	if err := g.settled(); err != nil {
		return nil, err
	}
	state := g.tls.ConnectionState()
	token, err := state.ExportKeyingMaterial("EXPORTER-tcpctl-mesh-conn", nil, 16)
	if err != nil {
		return nil, fmt.Errorf("mesh: exporter: %w", err)
	}
	l := &link{
		node: n, peer: p, greeted: g, theirs: g.theirs, addr: g.addr, wire: g.wire, tls: g.tls, token: hex.EncodeToString(token),
		heard: make(chan struct{}), done: make(chan struct{}), left: make(chan struct{}), byeAck: make(chan struct{}), lastOut: make(chan struct{}),
		streams: make(chan struct{}, maxStreams), echoed: make(chan struct{}), connGone: make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.out.wake = make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return nil, &RefusedError{Reason: meshinfo.ReasonLeaving, Addr: l.addr.String()}
	}
	if g.trusted {
		if err := l.openSession(); err != nil {
			return nil, err
		}
	}
	at := l.addr
	if !g.dialed {
		at = netip.AddrPortFrom(at.Addr(), l.theirs.Port)
	}
	p.addAddrs(l.theirs.Addrs, true)
	if checkAddr(at) == nil {
		p.addAddrs([]netip.AddrPort{at}, true)
	}
	p.name, p.version, p.trusted, p.detail = l.theirs.Name, l.theirs.Version, g.trusted, ""
	p.skew, p.rtt, p.recordNo = time.Until(l.theirs.Time), 0, 0
	p.link, p.nextDial = l, time.Time{}
	p.retry = backoff{min: p.retry.min, max: peerWait}
	n.links[l.token] = l
	n.replaces(p, at.Addr())
	n.wg.Add(1)
	go l.run()
	return l, nil // alive is what it is with the program's connection: setConn
}

func (l *link) openSession() (err error) {
	cfg := &yamux.Config{
		AcceptBacklog: 64, EnableKeepAlive: false, KeepAliveInterval: time.Hour, ConnectionWriteTimeout: 10 * time.Second,
		MaxStreamWindowSize: 256 << 10, StreamOpenTimeout: 30 * time.Second, StreamCloseTimeout: time.Minute,
		Logger: log.New(io.Discard, "", 0), // what it would log is an error that we return
	}
	below := &muxed{Conn: l.tls, wire: l.wire}
	if l.greeted.dialed {
		l.session, err = yamux.Client(below, cfg)
	} else {
		l.session, err = yamux.Server(below, cfg)
	}
	if err != nil {
		return fmt.Errorf("mesh: session: %w", err)
	}
	return nil
}

// run owns the link from adoption to its end.
func (l *link) run() {
	defer l.node.wg.Done()
	var wg sync.WaitGroup
	control, err := l.openControl()
	if err == nil {
		wg.Go(func() { l.write(control) })
		if l.session != nil {
			wg.Go(l.acceptStreams)
		}
		if l.greeted.dialed {
			wg.Go(l.keepConn)
		}
		err = l.read(control)
	}
	cause, err := l.causeOf(err)
	if l.wire.ended.Load() == nil && cause == meshinfo.Crashed && l.ctx.Err() == nil { // it is we who end it, over what it said
		l.node.complain("unreadable "+l.theirs.ID, fmt.Errorf("mesh: cut off %s (%s): %w", l.theirs.Name, l.addr, err))
		l.sayLast(err.Error())
	}
	l.end(cause, err)
	if l.session != nil {
		l.session.Close()
	}
	wg.Wait()
	l.node.lost(l)
}

// openControl makes the stream of messages: the side that dialled opens it.
func (l *link) openControl() (net.Conn, error) {
	if l.session == nil {
		return l.tls, nil
	}
	if l.greeted.dialed {
		return l.session.Open()
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.node.cfg.HandshakeTimeout)
	defer cancel()
	s, err := l.session.AcceptStreamWithContext(ctx)
	if err != nil {
		return nil, err // not s: a nil *Stream in a net.Conn is not nil
	}
	return s, nil
}

// end closes the link. The first cause counts.
func (l *link) end(cause meshinfo.Cause, err error) {
	l.endOnce.Do(func() {
		l.cause = cause
		if err != nil {
			l.detail = err.Error()
		}
		l.cancel()
		if cause == meshinfo.Unreachable || cause == meshinfo.Unresponsive {
			// A reset would say "crash" to a node that hears us and is not heard. But do not let the kernel keep trying.
			giveUpAfter(l.wire.Conn, lastTries)
		}
		l.wire.Conn.Close()
	})
}

// read handles the peer's messages until the link ends.
func (l *link) read(control io.Reader) error {
	limit := maxControl
	if !l.greeted.trusted {
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
	closeOnce(l.heard)
	switch body := frame[1:]; frame[0] {
	case msgBeat:
		b, err := parseBeat(body)
		if err != nil {
			return err
		}
		l.gotBeat(b)
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
		l.watched = len(body) == 1 && body[0] == 1
		l.node.mu.Unlock()
	case msgGaveUp:
		l.gaveUp = cmp.Or(plain.Clean(body[:min(len(body), maxLastWords)]), "it does not say why")
		return errGaveUp
	case msgBye:
		l.gotBye()
	case msgByeAck:
		closeOnce(l.byeAck)
	case msgGone:
		number, _, err := parseNumber(body)
		if err != nil {
			return err
		}
		l.gotGone(number)
	}
	return nil
}

// closeOnce is for channels that only one goroutine closes, and perhaps twice.
func closeOnce(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}

// gotPeers passes on whom the peer is connected to. A loopback address means something only if the peer is on this machine.
func (l *link) gotPeers(peers []told) {
	for _, t := range peers {
		var addrs []netip.AddrPort
		for _, a := range t.Addrs {
			if !a.Addr().IsLoopback() || l.addr.Addr().IsLoopback() {
				addrs = append(addrs, a)
			}
		}
		if len(addrs) > 0 { // no id, no address: nothing to dial
			l.node.found(Sighting{ID: t.ID, Name: t.Name, Addrs: addrs}, sourcePeer)
		}
	}
}

// gotBye: the peer has left from now on. The link stays up until it has closed its side, so that nothing on its way is lost.
func (l *link) gotBye() {
	closeOnce(l.left)
	l.out.post(func(o *pending) { o.byeAck = true })
	n := l.node
	n.mu.Lock()
	defer n.mu.Unlock()
	l.down(meshinfo.Departed)
	if l.conn != nil {
		l.conn.linger()
	}
	n.peersChanged()
}

// down is called with node.mu held. That of a peer which had not come to be alive is no event.
func (l *link) down(cause meshinfo.Cause) {
	if l.ready {
		l.peer.setState(meshinfo.Down, cause)
	} else if cause == meshinfo.Departed {
		l.peer.cause, l.peer.since = meshinfo.Departed, time.Now()
	}
}

// usable is called with node.mu held, when the program's connection is there.
func (l *link) usable() {
	if l.ready || l.peer.link != l || l.hasLeft() {
		return
	}
	l.ready = true
	l.peer.setState(meshinfo.Alive, "")
	l.node.peersChanged()
}

func (l *link) hasLeft() bool {
	select {
	case <-l.left:
		return true
	default:
		return false
	}
}

var errGaveUp = errors.New("mesh: it gave us up")

const (
	maxLastWords = 200
	lastTries    = 10 * time.Second
)

// sayLast tells the peer why we end the link, if it takes that within a moment: it is not to think that we have crashed.
func (l *link) sayLast(why string) {
	l.out.post(func(p *pending) { p.last = why })
	limit := time.NewTimer(250 * time.Millisecond)
	defer limit.Stop()
	select {
	case <-l.lastOut:
	case <-l.ctx.Done():
	case <-limit.C:
	}
}
