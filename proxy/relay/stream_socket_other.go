//go:build !linux

package relay

// unsent is not told by the system.
func (s *Side) unsent() int { return 0 }

// inline leaves urgent data to the system.
func (s *Side) keepUrgentInline() {}

func (s *Side) writeUrgent(b []byte) (int, error) { return s.conn.Write(b) }

// death is not told by the system either.
func (s *Side) tcpState() tcpState { return tcpState{} }

// awaitGone only knows what a write has met.
func (s *Side) awaitGone() bool { return s.gone() }
