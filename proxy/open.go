package proxy

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// begin takes a client that has just been accepted. Clients come one at a
// time and in the order of their arrival.
func (s *Service) begin(client *relay.Side) {
	sess := &Session{service: s, run: s.run, client: client, number: s.engine.sessions.Add(1), opened: time.Now()}
	sess.waiter.Owner = sess
	s.run.Begin(sess)
}

// open is the first stage: the session is entered in the books.
func open(s *Session, ev relay.Event) answer {
	addr := s.client.Remote().Addr()
	for _, p := range s.service.config().Pause.Bypass {
		s.bypass = s.bypass || p.Contains(addr)
	}
	s.service.total.Add(1)
	s.service.live.add(s)
	return next
}
