package proxy

import (
	"fmt"

	"github.com/tcpctl/tcpctl/proxy/internal/exchange"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// watchExchange follows the session's requests and replies, if its service says which
// protocol its clients speak.
func (s *Session) watchExchange() {
	protocol := s.service.config().Drain.Protocol
	if protocol == "" || s.protocol != nil {
		return
	}
	if s.rare == nil {
		s.rare = &rareState{}
	}
	s.rare.exchange = exchange.New(protocol)
	s.client.Observe()
	s.server.Observe()
}

// Carried passes data of a side to the parser of Drain.Protocol. If the parser
// panics, the session goes on, and whether it is quiet is unknown from then on.
func (s *Session) Carried(side *relay.Side, b []byte) {
	w := s.rare.exchange
	if err := s.service.contained("the reader of "+s.service.config().Drain.Protocol, func() error {
		if side == s.client {
			w.Client(b)
		} else {
			w.Backend(b)
		}
		return nil
	}); err != nil {
		w.Lost()
	}
}

// owesNothing reports whether each request of the session has its reply, as far as
// known; if unknown, silence is the only criterion, and an event says so.
func (s *Session) owesNothing() bool {
	if s.rare == nil || s.rare.exchange == nil {
		return true
	}
	state, why := s.rare.exchange.State()
	if state != exchange.Unknown {
		return state == exchange.Idle
	}
	svc := s.service
	svc.engine.noteThrottledAs(EventSession+" "+svc.name+" exchange", Event{Kind: EventSession, Level: LevelWarn, Service: svc.name, Session: s.ID(),
		Text: fmt.Sprintf("session %s of %s cannot be read as %s: %s; it is drained once it has carried nothing for a while, even if a request is in progress",
			s.ID(), svc.name, svc.config().Drain.Protocol, why)})
	return true
}
