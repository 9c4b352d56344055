package mesh

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// link is the package's own connection to a peer. With a trusted peer it is a yamux session over TLS, with one stream for
// messages and one for each OpenStream; with any other peer it carries messages only, of limited size. adopt makes it, and
// its run owns it.
type link struct {
	node         *Node
	peer         *peer
	handshake    *handshake
	theirs       hello
	addr         netip.AddrPort
	wire         *wire
	tls          *tls.Conn
	token        string         // matches a connection for the program to this link
	session      *yamux.Session // nil: the peer is not trusted
	out          outbox
	firstMessage chan struct{}   // closed by the first message: the other side has adopted the link too
	ctx          context.Context // done after end
	cancel       context.CancelFunc
	done         chan struct{} // closed by removeLink
	endOnce      sync.Once
	cause        meshinfo.Cause // set before ctx is done
	detail       string
	departed     chan struct{} // closed on the peer's goodbye
	lastSent     chan struct{} // closed when our last message was written
	gaveUp       string        // why the peer gave us up; for read alone, until it returns
	retired      bool          // the peer has ended this link as spare; likewise
	goodbyeAcked chan struct{} // closed on the answer to our goodbye
	streamSlots  chan struct{} // one slot for each stream that the peer has opened

	mu              sync.Mutex
	lastHeartbeat   heartbeat // the newest heartbeat
	lastHeartbeatAt time.Time
	echoed          chan struct{} // closed and replaced at each heartbeat

	// under node.mu
	conn         *Conn
	connNumber   uint64        // the newest that was made, or closed by the peer
	connLost     chan struct{} // wakes keepConn
	wasAlive     bool          // the program has had its connection
	timersLate   time.Duration // how late our own timers were since the last Read
	peerWatches  bool          // the peer's program has called Node.Watch
	endingSilent bool
	since        time.Time
	peerMany     byte           // what the peer says, if it is a hub
	saidMany     bool           // this node has told the peer that there are many
	asked        byte           // which nodes this node wants the peer to report on,
	feed         byte           // and the peer wants this node to
	fedStates    uint64         // Node.feedNo when states were last sent to it,
	fedRecords   uint64         // and records
	spare        bool           // this node can do without the link,
	peerSpare    bool           // so can the peer,
	ending       bool           // and this node ends it
	relay        *relay         // nil: none now
	relaying     bool           // keepRelay runs
	silentCause  meshinfo.Cause // why it is being ended
}

// adopt makes the link that both sides have agreed on. The caller holds peer.settling.
func (n *Node) adopt(h *handshake, p *peer) (*link, error) {
	if err := h.finish(); err != nil {
		return nil, err
	}
	state := h.tls.ConnectionState()
	token, err := state.ExportKeyingMaterial("EXPORTER-tcpctl-mesh-conn", nil, 16)
	if err != nil {
		return nil, fmt.Errorf("mesh: exporter: %w", err)
	}
	l := &link{
		node: n, peer: p, handshake: h, theirs: h.theirs, addr: h.addr, wire: h.wire, tls: h.tls, token: hex.EncodeToString(token),
		firstMessage: make(chan struct{}), done: make(chan struct{}), departed: make(chan struct{}), goodbyeAcked: make(chan struct{}), lastSent: make(chan struct{}),
		streamSlots: make(chan struct{}, maxStreams), echoed: make(chan struct{}), connLost: make(chan struct{}, 1),
		since: time.Now(),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.out.wake = make(chan struct{}, 1)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return nil, &RefusedError{Reason: meshinfo.ReasonLeaving, Addr: l.addr.String()}
	}
	if h.trusted {
		if l.session, err = openYamux(h, 0); err != nil {
			return nil, err
		}
	}
	at := l.addr
	if !h.dialed {
		at = netip.AddrPortFrom(at.Addr(), l.theirs.Port)
	}
	p.addAddrs(l.theirs.Addrs, true)
	if checkAddr(at) == nil {
		p.addAddrs([]netip.AddrPort{at}, true)
	}
	p.name, p.version, p.trusted, p.detail = l.theirs.Name, l.theirs.Version, h.trusted, ""
	p.skew, p.rtt, p.recordNo = time.Until(l.theirs.Time), 0, 0
	p.link, p.nextDial = l, time.Time{}
	p.retry = backoff{min: p.retry.min, max: metPeerWait}
	n.links[l.token] = l
	n.forgetPredecessor(p, at.Addr())
	n.wg.Go(l.run)
	return l, nil // setConn makes the peer alive
}

// openYamux starts a session on a connection whose handshake is done. keepAlive is the interval of its keep-alives; 0: none.
func openYamux(h *handshake, keepAlive time.Duration) (s *yamux.Session, err error) {
	cfg := &yamux.Config{
		AcceptBacklog: 64, EnableKeepAlive: keepAlive > 0, KeepAliveInterval: cmp.Or(keepAlive, time.Hour), ConnectionWriteTimeout: 10 * time.Second,
		MaxStreamWindowSize: 256 << 10, StreamOpenTimeout: 30 * time.Second, StreamCloseTimeout: time.Minute,
		Logger: log.New(io.Discard, "", 0), // it also returns as an error whatever it logs
	}
	below := &yamuxConn{Conn: h.tls, wire: h.wire}
	if h.dialed {
		s, err = yamux.Client(below, cfg)
	} else {
		s, err = yamux.Server(below, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("mesh: session: %w", err)
	}
	return s, nil
}

// run owns the link from adoption to its end.
func (l *link) run() {
	var wg sync.WaitGroup
	control, err := l.openControl()
	if err == nil {
		wg.Go(func() { l.write(control) })
		if l.session != nil {
			wg.Go(l.acceptStreams)
		}
		if l.handshake.dialed {
			wg.Go(l.keepConn)
		}
		err = l.read(control)
	}
	cause, err := l.causeOf(err)
	if l.wire.readErr.Load() == nil && cause == meshinfo.Crashed && l.ctx.Err() == nil { // we end it because of what the peer sent
		l.node.reportError("unreadable "+l.theirs.ID, fmt.Errorf("mesh: ended the link to %s (%s): %w", l.theirs.Name, l.addr, err))
		l.sendLast(err.Error())
	}
	l.end(cause, err)
	if l.session != nil {
		l.session.Close()
	}
	wg.Wait()
	l.node.removeLink(l)
}

// openControl makes the stream for messages: the side that dialled opens it.
func (l *link) openControl() (net.Conn, error) {
	if l.session == nil {
		return l.tls, nil
	}
	if l.handshake.dialed {
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
			// To a node that hears us but that we do not hear, a reset would look like a crash. But limit how long the kernel
			// keeps trying.
			setUserTimeout(l.wire.Conn, lastTries)
		}
		l.wire.Conn.Close()
	})
}

// lastTries is how long the kernel retransmits what was written to a link that is given up.
const lastTries = 10 * time.Second
