//go:build !linux

package relay

// unsent is unknown on this system.
func (s *Side) unsent() int { return 0 }

// keepUrgent leaves urgent data to the system.
func keepUrgent(uintptr) {}

// prepare leaves urgent data to the system.
func (s *Side) prepare() {}

func (s *Side) writeUrgent(b []byte) (int, error) { return s.conn.Write(b) }

// tcpState is unknown, too.
func (s *Side) tcpState() tcpState { return tcpState{} }

// awaitGone only knows what a write has found out.
func (s *Side) awaitGone() bool { return s.gone() }
