package main

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// soakServer plays the server's part of each session, and reports what it saw.
type soakServer struct {
	*soak
	addr string
	mu   sync.Mutex
	ln   net.Listener
	live map[net.Conn]bool // true: it was killed
	wg   sync.WaitGroup
}

func (s *soakServer) start() error {
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln = ln
	s.wg.Go(func() {
		// A PROXY header comes only if send_proxy is set.
		front := &proxyproto.Listener{Listener: ln, ReadHeaderTimeout: patience,
			ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) { return proxyproto.USE, nil }}
		for {
			c, err := front.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.live[c] = false
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	return nil
}

// die resets all clients, and refuses new ones until the next start.
func (s *soakServer) die() {
	s.mu.Lock()
	proxytest.StopListening(s.ln)
	for c := range s.live {
		s.live[c] = true
		soakAbort(c)
	}
	s.mu.Unlock()
	s.wg.Wait()
	s.lastDeath.Store(time.Now().UnixNano())
}

func (s *soakServer) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.live, c)
		s.mu.Unlock()
	}()
	h := make([]byte, soakHeader)
	if _, err := io.ReadFull(c, h); err != nil {
		return // a check, or a client that was kicked before it could send
	}
	p := parseSoakPlan(h)
	if max(p.up, p.down) > soakLong+1 {
		// A client of another test that had this port before. If it were one of ours, garbled, the
		// session would be missed.
		s.t.Logf("%s sent no header: %q", c.RemoteAddr(), h)
		return
	}
	peer := &soakPeer{conn: c, closeWrite: soakTCP(c).CloseWrite, mine: soakPart(p.id, p.down), theirs: soakPart(p.id, p.up),
		urgentAt: p.urgent(urgentDown, int(p.down)), slow: p.flags&slowServer != 0, pausing: p.flags&pausing != 0}
	saw := peer.play(p.script, false)
	s.mu.Lock()
	if s.live[c] {
		saw.end = soakDied
	}
	s.mu.Unlock()
	s.tell(p.id, saw)
}
