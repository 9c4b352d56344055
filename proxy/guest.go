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

// guest is the client of a session that speaks a Protocol.
type guest struct {
	PendingClient
	via     string // its protocol's name
	state   guestState
	release context.CancelFunc // ends Hold
	parting bool               // it is being told goodbye
	keeps   atomic.Bool        // its Line has bytes for the backend, behind which its stream may have ended

	accepting sync.WaitGroup
	answered  atomic.Bool // Accept has brought what follows
	line      ProtocolConn
	err       error
	left      atomic.Int32 // its connection is closed, its record is written
}

type guestState uint8

const (
	unanswered guestState = iota // it is watched like any other
	answering                    // Accept is under way, and comes back as HandshakeDone
	holding                      // Hold is, likewise
	ready                        // for the relay
)

// opening waits for a handshake.
func opening(p Protocol, conn net.Conn, a Arrival) relay.Event {
	g, err := p.Handshake(conn, a)
	if err != nil {
		return relay.Event{Kind: relay.HandshakeDone, Err: err}
	}
	return relay.Event{Kind: relay.HandshakeDone, Arg: greeting{guest: g}}
}

// welcome makes the session's client a guest.
func (s *Session) welcome(g PendingClient) {
	c, conn, from := s.service.config(), g.NetConn(), netip.AddrPort{}
	if covers(c.TrustedProxies, s.client.Remote().Addr()) {
		if client := nearest(c.TrustedProxies, g.Forwarded()); client.IsValid() {
			from = netip.AddrPortFrom(client, 0)
		}
	}
	if notice := g.Notice(); notice != "" {
		s.service.engine.noteSeldomAs(EventSession+" "+s.service.name+" notice", Event{Kind: EventSession, Level: LevelWarn, Service: s.service.name,
			Session: s.ID(), Text: fmt.Sprintf("%s of %s: %s", s.client.Name(), s.service.name, notice)})
	}
	entered := &guest{PendingClient: g, via: c.protocolName()}
	s.service.queue.Do(func() { // others may look already
		s.guest = entered
		s.client.Wrap(onlyWatched{conn})
		if from.IsValid() {
			s.client.SetRemote(from)
		}
	})
}

// onlyWatched is a guest's connection until it has its answer. Where watching
// is by reading, its client is not watched.
type onlyWatched struct{ net.Conn }

func (w onlyWatched) NetConn() net.Conn        { return w.Conn }
func (onlyWatched) Read(p []byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// nearest is the client for whom trusted proxies speak: the last address that
// is not one of theirs. What stands before it anybody can have written.
func nearest(trusted []netip.Prefix, forwarded []netip.Addr) (client netip.Addr) {
	for i := len(forwarded) - 1; i >= 0; i-- {
		client = forwarded[i]
		if !covers(trusted, client) {
			break
		}
	}
	return client
}

// untilHold is how long a client that waits still waits for the answer to its
// handshake: browsers give up. Negative: it has it, or needs none.
func (s *Session) untilHold() time.Duration {
	p := s.service.config().Protocol
	if s.guest == nil || s.guest.state != unanswered || p == nil {
		return -1
	}
	return max(0, p.AnswerAfter()-time.Since(s.opened))
}

// answer accepts the handshake.
func (s *Session) answer() {
	g := s.guest
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
		g.line, g.err = accept()
		g.answered.Store(true)
		return relay.Event{Kind: relay.HandshakeDone}
	})
}

// errNoAnswer is of a handshake whose Accept did not come back.
var errNoAnswer = errors.New("proxy: the handshake was not answered")

// hold looks after a client that has its answer and waits.
func (s *Session) hold() {
	g := s.guest
	g.state = holding
	var ctx context.Context
	ctx, g.release = context.WithCancel(context.Background())
	s.do(func() relay.Event { return relay.Event{Kind: relay.HandshakeDone, Err: g.line.Hold(ctx)} })
}

// guestNews takes what Accept or Hold has brought, and says whether the client
// is still there. One that has no backend yet is looked after further.
func (s *Session) guestNews(ev relay.Event) relay.End {
	g := s.guest
	was := g.state
	g.state = ready
	switch {
	case was == answering && g.err != nil:
		return relay.Reset
	case was == answering:
		s.service.queue.Do(func() { s.client.Wrap(g.line) })
		g.PendingClient = nil // with all that its handshake has said
		if s.server == nil {
			s.hold()
		}
		return relay.Open
	}
	g.release()
	switch {
	case ev.Err == nil && s.server == nil:
		g.keeps.Store(true)
		s.run.Watch(s, s.client)
	case ev.Err == nil, errors.Is(ev.Err, context.Canceled):
	case errors.Is(ev.Err, io.EOF), errors.Is(ev.Err, io.ErrUnexpectedEOF):
		return relay.FIN
	default:
		return relay.Reset
	}
	return relay.Open
}

// meet is next once the client can be brought to the backend that has been
// reached: a guest must have its answer, and be let go by Hold.
func (s *Session) meet() answer {
	if s.guest == nil {
		return next
	}
	switch s.guest.state {
	case unanswered:
		s.answer()
	case holding:
		s.guest.release()
	case ready:
		return next
	}
	return wait
}

// ended is an end of the client's stream as its Line has it: behind the bytes
// that this keeps.
func (s *Session) ended(how relay.End) relay.End {
	if how == relay.FIN && s.guest != nil && s.guest.keeps.Load() {
		return relay.HalfFIN
	}
	return how
}

// lookOut watches a client that has to wait, unless somebody does.
func (s *Session) lookOut() {
	if g := s.guest; g != nil && (g.state == answering || g.state == holding) {
		return
	}
	if !s.client.Watched() {
		s.run.Watch(s, s.client)
	}
}

// hangUp closes the client's side. A guest is told why, which takes a while.
func (s *Session) hangUp(reset bool) {
	g := s.guest
	if g == nil {
		s.run.Close(s.client, reset)
		return
	}
	if g.parting {
		return
	}
	g.parting = true
	s.client.StopWatch()
	if g.state == holding {
		g.release()
	}
	f, asked := s.farewell(), g.state != unanswered
	retry := s.retryAfter(f)
	s.do(func() relay.Event {
		defer s.leaveBudget()
		g.part(f, asked, retry)
		return relay.Event{Kind: relay.HandshakeDone}
	})
}

// part ends a guest's connection.
func (g *guest) part(f farewell, asked bool, retryAfter time.Duration) {
	if asked {
		g.accepting.Wait()
		if g.err == nil {
			g.line.CloseWith(f.code, f.text)
		}
		return
	}
	if f.unheard {
		g.Close()
		return
	}
	g.Refuse(f.status, retryAfter, f.text)
}

// leaveBudget gives back what the session had of the process's descriptors:
// for a guest, once it is recorded and its connection closed, whatever is last.
func (s *Session) leaveBudget() {
	if s.guest == nil || s.guest.left.Add(1) == 2 {
		s.service.share.Release()
	}
}

// theLine is the guest's once it has its answer, for those who look on, too;
// nil for no guest.
func (g *guest) theLine() ProtocolConn {
	if g != nil && g.answered.Load() {
		return g.line
	}
	return nil
}

// saidGoodbye says that the client has ended the session by its protocol, and
// not only its half of it: nothing that the backend does then is a loss.
func (s *Session) saidGoodbye() bool {
	line := s.guest.theLine()
	return line != nil && s.ending != nil && s.ending.by == ByClient && s.ending.reason == ReasonFIN && line.CloseCode() != closeAbnormal
}

// closeCode is how the session ended in its client's protocol; 0: in none.
func (s *Session) closeCode() int {
	line := s.guest.theLine()
	if line == nil {
		return 0
	}
	if code := line.CloseCode(); code != 0 {
		return code
	}
	return s.farewell().code
}
