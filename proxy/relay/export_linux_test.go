package relay

import "net/netip"

// Idle reports whether the side is in the idle set, with no goroutine that
// waits for it.
func (s *Side) Idle() bool {
	l := &s.idleSlot.relay.runner.idle
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.idleSlot.inSet
}

// IsItself says whether the loop takes a connected socket for one that has
// reached itself.
func IsItself(fd int, to netip.AddrPort) bool {
	return (&Side{remote: to, socket: socket{fd: int32(fd)}}).isItself()
}
