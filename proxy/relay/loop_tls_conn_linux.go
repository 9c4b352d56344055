package relay

import "github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"

// loopTLSConn is a raw side's TLS as a net.Conn over its openingConn, for the same
// purposes. When the relay begins, the loop takes over what it has read and uses the
// same keys; after the relay it continues.
type loopTLSConn struct {
	tlsConn
	raw  *openingConn
	fins bool // a FIN follows what is unsent
}

// tlsConn returns the side's connection for the opening, if the side speaks TLS.
func (s *Side) tlsConn() *loopTLSConn {
	raw := s.openingConn()
	if raw.over == nil {
		raw.over = &loopTLSConn{tlsConn: tlsConn{Conn: raw, tls: s.secure, plain: s.early}, raw: raw}
		s.early = nil
	}
	return raw.over
}

// overTLS returns what tlsConn has returned, or nil if it was not called.
func (s *Side) overTLS() *loopTLSConn {
	if s.opening == nil {
		return nil
	}
	return s.opening.over
}

// Control calls f with the descriptor, which is not closed meanwhile.
func (c *loopTLSConn) Control(f func(fd uintptr)) error { return c.raw.Control(f) }

// Post calls f on the thread of the loop that has the side's task.
func (c *loopTLSConn) Post(f func()) { c.raw.Post(f) }

// WriteNow seals part of p, unless records already wait for room, and writes what fits;
// the loop writes the rest.
func (c *loopTLSConn) WriteNow(p []byte) (n int, err error) {
	if !c.writing.TryLock() {
		return 0, nil
	}
	defer c.writing.Unlock()
	if err := c.flushNow(); err != nil || len(c.unsent) > 0 {
		return 0, err
	}
	p = p[:min(len(p), perWrite)]
	if err := c.add(func(s *tlsrecord.Session, b []byte) []byte { return s.Seal(b, p) }); err != nil {
		return 0, err
	}
	return len(p), c.flushLater()
}

// flushLater is flushNow, after which the loop writes what remains. writing is held.
func (c *loopTLSConn) flushLater() error {
	err := c.flushNow()
	switch {
	case err != nil:
	case len(c.unsent) > 0:
		c.raw.Post(c.raw.side.armOpening)
	case c.fins:
		c.fins = false
		err = c.raw.CloseWrite()
	}
	return err
}

// onWritable is called by the loop.
func (c *loopTLSConn) onWritable() {
	if c.writing.TryLock() { // otherwise another goroutine is writing, and does it
		c.flushLater()
		c.writing.Unlock()
	}
}

// CloseWrite sends close_notify and then, once there is room, the FIN. It does not
// wait.
func (c *loopTLSConn) CloseWrite() error {
	if !c.writing.TryLock() {
		return c.raw.CloseWrite() // like that of a socket, it ends a waiting write
	}
	defer c.writing.Unlock()
	if err := c.add((*tlsrecord.Session).CloseNotify); err != nil {
		return err
	}
	c.fins = true
	return c.flushLater()
}

// begin hands what was read to the loop, and has the loop write what was not written.
func (c *loopTLSConn) begin(s *Side) {
	c.writing.Lock()
	defer c.writing.Unlock()
	s.early, c.plain, c.tls.state = c.plain, nil, nil
	if len(c.unsent) > 0 {
		l := s.loop
		l.sendAsIs(&s.peer().dir, s, &l.second, 0, copy(*l.second, c.unsent))
		c.unsent = nil
	}
}

// goOn continues after the relay. unsent is what the loop has not written.
func (c *loopTLSConn) goOn(unsent []byte, fins bool) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.unsent, c.fins = append([]byte(nil), unsent...), fins && len(unsent) > 0
}

// hasUnsent reports whether an alert would interrupt what is being written.
func (c *loopTLSConn) hasUnsent() bool {
	if !c.writing.TryLock() {
		return true
	}
	defer c.writing.Unlock()
	return len(c.unsent) > 0
}
