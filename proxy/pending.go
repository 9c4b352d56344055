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

// protocolClient is the client of a session that speaks a Protocol.
type protocolClient struct {
	PendingClient
	via        string // its protocol's name
	state      protocolState
	release    context.CancelFunc // ends Hold
	closing    bool               // CloseWith is under way
	keepsBytes atomic.Bool        // its ProtocolConn has bytes for the backend, behind which its stream may have ended

	accepting sync.WaitGroup
	answered  atomic.Bool // Accept has brought what follows
	conn      ProtocolConn
	err       error
	released  atomic.Int32 // its connection is closed, its record is written
}

type protocolState uint8

const (
	unanswered protocolState = iota // it is watched like any other
	answering                       // Accept is under way, and comes back as HandshakeDone
	holding                         // Hold is, likewise
	ready                           // for the relay
)

// protocolHandshake waits for a handshake.
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
	s.service.queue.Do(func() { // others may look already
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

// onlyWatched is the connection of a client of a Protocol until it has its answer. Where watching
// is by reading, its client is not watched.
type onlyWatched struct {
	net.Conn
	hasEnded func() bool
}

func (s *Session) onlyWatched(g PendingClient) net.Conn {
	return onlyWatched{g.NetConn(), func() bool {
		ended := true // also by a panic
		s.contained(func() { ended = g.HasEnded() })
		return ended
	}}
}

func (w onlyWatched) NetConn() net.Conn        { return w.Conn }
func (w onlyWatched) HasEnded() bool           { return w.hasEnded() }
func (onlyWatched) Read(p []byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// nearest is the client for whom trusted proxies speak: the last address that
// is not one of theirs. What stands before it may be forged.
func nearest(trusted []netip.Prefix, forwarded []netip.Addr) (client netip.Addr) {
	for i := len(forwarded) - 1; i >= 0; i-- {
		client = forwarded[i]
		if !covers(trusted, client) {
			break
		}
	}
	return client
}

// untilAnswer is how long a client that waits still waits for the answer to
// its handshake: browsers give up. Negative: it has it, or needs none.
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
			if !g.answered.Load() { // it has panicked
				conn.Close()
			}
		}()
		g.err = errNoAnswer
		g.conn, g.err = accept()
		g.answered.Store(true)
		return relay.Event{Kind: relay.HandshakeDone}
	})
}

// errNoAnswer is of a handshake whose Accept did not come back.
var errNoAnswer = errors.New("proxy: the handshake was not answered")

// attachFrames has the client's side speak as its ProtocolConn does.
func (s *Session) attachFrames() {
	if s.onLoop() {
		s.client.Frame(s.protocol.conn.Frames())
		return
	}
	s.service.queue.Do(func() { s.client.Wrap(s.protocol.conn) })
}

// keepWaiting holds a client that has its answer and waits.
func (s *Session) keepWaiting() {
	g := s.protocol
	g.state = holding
	var ctx context.Context
	ctx, g.release = context.WithCancel(context.Background())
	s.do(func() relay.Event { return relay.Event{Kind: relay.HandshakeDone, Err: g.conn.Hold(ctx)} })
}

// protocolEvent takes what Accept or Hold has brought, and says whether the
// client is still there. One that has no backend yet is held further.
func (s *Session) protocolEvent(ev relay.Event) relay.End {
	g := s.protocol
	was := g.state
	g.state = ready
	switch {
	case was == answering && g.err != nil:
		return relay.Reset
	case was == answering:
		s.attachFrames()
		g.PendingClient = nil // with all that its handshake has said
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

// awaitAnswer is next once the client can be brought to the backend that has
// been reached: a client of a Protocol must have its answer, and be released by Hold.
func (s *Session) awaitAnswer() transition {
	if s.protocol == nil {
		return next
	}
	if s.server.OnStream() && s.protocol.state != holding && s.protocol.state != answering { // an older TLS
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

// clientEnd is an end of the client's stream as its ProtocolConn has it: behind the
// bytes that this keeps.
func (s *Session) clientEnd(how relay.End) relay.End {
	if how == relay.FIN && s.protocol != nil && s.protocol.keepsBytes.Load() {
		return relay.HalfFIN
	}
	return how
}

// watchClient watches a client that has to wait, unless it is watched already.
func (s *Session) watchClient() {
	if g := s.protocol; g != nil && (g.state == answering || g.state == holding) {
		return
	}
	if !s.client.Watched() {
		s.runner().Watch(s, s.client)
	}
}

// closeClient closes the client's side. One of a Protocol gets the reason, which
// takes a while.
func (s *Session) closeClient(reset bool) {
	g := s.protocol
	if e := s.ending; e != nil && !e.local.IsValid() && s.service.engine.recordsListener() {
		e.local = s.client.Local() // as long as it is open
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

// close ends the connection of a client of a Protocol.
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

// releaseBudget gives back what the session had of the process's descriptors:
// for a client of a Protocol, once it is recorded and its connection closed, whatever is
// last.
func (s *Session) releaseBudget() {
	if s.protocol == nil || s.protocol.released.Add(1) == 2 {
		s.share().Release()
	}
}

// answeredConn is the client's once it has its answer, for Live, too; nil for one of no Protocol.
func (g *protocolClient) answeredConn() ProtocolConn {
	if g != nil && g.answered.Load() {
		return g.conn
	}
	return nil
}

// closedByProtocol says that the client has ended the session by its protocol,
// and not only its half of it: nothing that the backend does then is a loss.
func (s *Session) closedByProtocol() bool {
	line := s.protocol.answeredConn()
	return line != nil && s.ending != nil && s.ending.by == ByClient && s.ending.reason == ReasonFIN && line.CloseCode() != closeAbnormal
}

// closeCode is how the session ended in its client's protocol; 0: in none.
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
