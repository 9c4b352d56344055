package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// protocolClient is the client of a session with a Protocol.
type protocolClient struct {
	PendingClient
	via        string // the protocol's name
	state      protocolState
	release    context.CancelFunc // ends Hold
	closing    bool               // CloseWith is in progress
	keepsBytes atomic.Bool        // its ProtocolConn has bytes for the backend, which its end may follow

	accepting sync.WaitGroup
	answered  atomic.Bool // Accept has set the next fields
	conn      ProtocolConn
	err       error
	released  atomic.Int32 // counts: its connection is closed, its record is written
}

type protocolState uint8

const (
	unanswered protocolState = iota // watched like other clients
	answering                       // Accept is in progress, and ends with HandshakeDone
	holding                         // Hold is in progress, likewise
	ready                           // for the relay
)

// protocolHandshake waits for a Protocol's handshake.
func protocolHandshake(p Protocol, conn net.Conn, a Arrival) relay.Event {
	g, err := p.Handshake(conn, a)
	if err != nil {
		return relay.Event{Kind: relay.HandshakeDone, Err: err}
	}
	return relay.Event{Kind: relay.HandshakeDone, Arg: handshakeResult{pending: g}}
}

// attachProtocol makes the session's client one of a Protocol.
func (s *Session) attachProtocol(g PendingClient) {
	c, from := s.service.config(), netip.AddrPort{}
	if covers(c.TrustedProxies, s.client.Remote().Addr()) {
		if client := nearest(c.TrustedProxies, g.Forwarded()); client.IsValid() {
			from = netip.AddrPortFrom(client, 0)
		}
	}
	if notice := g.Notice(); notice != "" {
		s.service.engine.noteThrottledAs(EventSession+" "+s.service.name+" notice", Event{Kind: EventSession, Level: LevelWarn, Service: s.service.name,
			Session: s.ID(), Text: fmt.Sprintf("%s of %s: %s", s.client.Name(), s.service.name, notice)})
	}
	entered := &protocolClient{PendingClient: g, via: c.protocolName()}
	s.service.queue.Do(func() { // locked, as others may read it
		s.protocol = entered
		if !s.onLoop() {
			s.client.Wrap(s.onlyWatched(g))
		}
		if from.IsValid() {
			s.client.SetRemote(from)
		}
	})
	if !g.CanLoop() {
		s.moveToStream()
	}
}

// onlyWatched is a Protocol client's connection until its handshake is answered. Where
// watching means reading, the client is not watched.
type onlyWatched struct {
	net.Conn
	hasEnded func() bool
}

func (s *Session) onlyWatched(g PendingClient) net.Conn {
	return onlyWatched{g.NetConn(), func() bool {
		ended := true // also after a panic
		s.contained(func() { ended = g.HasEnded() })
		return ended
	}}
}

func (w onlyWatched) NetConn() net.Conn        { return w.Conn }
func (w onlyWatched) HasEnded() bool           { return w.hasEnded() }
func (onlyWatched) Read(p []byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// nearest returns the client for which trusted proxies speak: the last address that is
// not one of theirs. Addresses before it may be forged.
func nearest(trusted []netip.Prefix, forwarded []netip.Addr) (client netip.Addr) {
	for i := len(forwarded) - 1; i >= 0; i-- {
		client = forwarded[i]
		if !covers(trusted, client) {
			break
		}
	}
	return client
}

// untilAnswer returns how long a waiting client still waits for the answer to its
// handshake, as browsers give up. Negative: answered, or not needed.
func (s *Session) untilAnswer() time.Duration {
	p := s.service.config().Protocol
	if s.protocol == nil || s.protocol.state != unanswered || p == nil {
		return -1
	}
	return max(0, p.AnswerAfter()-time.Since(s.opened))
}

// answer accepts the handshake.
func (s *Session) answer() {
	g := s.protocol
	g.state = answering
	s.client.StopWatch()
	accept, conn := g.Accept, g.NetConn()
	g.accepting.Add(1)
	s.do(func() relay.Event {
		defer g.accepting.Done()
		defer func() {
			if !g.answered.Load() { // Accept has panicked
				conn.Close()
			}
		}()
		g.err = errNoAnswer
		g.conn, g.err = accept()
		g.answered.Store(true)
		return relay.Event{Kind: relay.HandshakeDone}
	})
}

// errNoAnswer is for a handshake whose Accept did not return.
var errNoAnswer = errors.New("proxy: the handshake was not answered")

// attachFrames gives the client's side the framing of its ProtocolConn.
func (s *Session) attachFrames() {
	if s.onLoop() {
		s.client.Frame(s.protocol.conn.Frames())
		return
	}
	s.service.queue.Do(func() { s.client.Wrap(s.protocol.conn) })
}

// keepWaiting holds a client whose handshake is answered and that waits.
func (s *Session) keepWaiting() {
	g := s.protocol
	g.state = holding
	var ctx context.Context
	ctx, g.release = context.WithCancel(context.Background())
	s.do(func() relay.Event { return relay.Event{Kind: relay.HandshakeDone, Err: g.conn.Hold(ctx)} })
}

// protocolEvent handles the end of Accept or Hold, and returns whether the client is
// still there. One without a backend is held again.
func (s *Session) protocolEvent(ev relay.Event) relay.End {
	g := s.protocol
	was := g.state
	g.state = ready
	switch {
	case was == answering && g.err != nil:
		return relay.Reset
	case was == answering:
		s.attachFrames()
		g.PendingClient = nil // releases the data of its handshake
		if s.server == nil {
			s.keepWaiting()
		}
		return relay.Open
	}
	g.release()
	switch {
	case ev.Err == nil && s.server == nil:
		g.keepsBytes.Store(true)
		s.runner().Watch(s, s.client)
	case ev.Err == nil, errors.Is(ev.Err, context.Canceled):
	case errors.Is(ev.Err, io.EOF), errors.Is(ev.Err, io.ErrUnexpectedEOF):
		return relay.FIN
	default:
		return relay.Reset
	}
	return relay.Open
}

// awaitAnswer returns next once the client can be connected with the backend: a
// Protocol's client must have its answer, and be released by Hold.
func (s *Session) awaitAnswer() transition {
	if s.protocol == nil {
		return next
	}
	if s.server.OnStream() && s.protocol.state != holding && s.protocol.state != answering { // an older TLS version
		s.client.StopWatch()
		s.moveToStream()
	}
	switch s.protocol.state {
	case unanswered:
		s.answer()
	case holding:
		s.protocol.release()
	case ready:
		return next
	}
	return wait
}

// clientEnd translates an end of the client's stream: bytes that its ProtocolConn keeps
// come before it.
func (s *Session) clientEnd(how relay.End) relay.End {
	if how == relay.FIN && s.protocol != nil && s.protocol.keepsBytes.Load() {
		return relay.HalfFIN
	}
	return how
}

// watchClient watches a waiting client, unless it is already watched.
func (s *Session) watchClient() {
	if g := s.protocol; g != nil && (g.state == answering || g.state == holding) {
		return
	}
	if !s.client.Watched() {
		s.runner().Watch(s, s.client)
	}
}

// closeClient closes the client's side. A Protocol's client gets the reason, which
// takes time.
func (s *Session) closeClient(reset bool) {
	g := s.protocol
	if e := s.ending; e != nil && !e.local.IsValid() && s.service.engine.recordsListener() {
		e.local = s.client.Local() // while it is open
	}
	if g == nil {
		s.runner().Close(s.client, reset)
		return
	}
	if g.closing {
		return
	}
	g.closing = true
	s.client.StopWatch()
	if g.state == holding {
		g.release()
	}
	f, asked := s.closeReason(), g.state != unanswered
	retry := s.retryAfter(f)
	s.do(func() relay.Event {
		defer s.releaseBudget()
		g.close(f, asked, retry)
		return relay.Event{Kind: relay.HandshakeDone}
	})
}

// close ends the connection of a Protocol's client.
func (g *protocolClient) close(f closeReason, asked bool, retryAfter time.Duration) {
	if asked {
		g.accepting.Wait()
		if g.err == nil {
			g.conn.CloseWith(f.code, f.text)
		}
		return
	}
	if f.silent {
		g.Close()
		return
	}
	g.Refuse(f.status, retryAfter, f.text)
}

// releaseBudget returns the session's part of the process's descriptors: for a
// Protocol's client once it is recorded and its connection closed, whichever is last.
func (s *Session) releaseBudget() {
	if s.protocol == nil || s.protocol.released.Add(1) == 2 {
		s.share().Release()
	}
}

// answeredConn is the client's ProtocolConn once answered, also for Live; nil without a
// Protocol.
func (g *protocolClient) answeredConn() ProtocolConn {
	if g != nil && g.answered.Load() {
		return g.conn
	}
	return nil
}

// closedByProtocol reports whether the client has ended the whole session by its
// protocol, not only its half: whatever the backend does then loses nothing.
func (s *Session) closedByProtocol() bool {
	line := s.protocol.answeredConn()
	return line != nil && s.ending != nil && s.ending.by == ByClient && s.ending.reason == ReasonFIN && line.CloseCode() != closeAbnormal
}

// closeCode is the close code in the client's protocol; 0: none.
func (s *Session) closeCode() int {
	line := s.protocol.answeredConn()
	if line == nil {
		return 0
	}
	if code := line.CloseCode(); code != 0 {
		return code
	}
	return s.closeReason().code
}
