package relay

import "net/netip"

// Parked says whether nothing of a side's is being waited for by a goroutine.
func (s *Side) Parked() bool {
	l := &s.spot.pair.run.lot
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.spot.parked
}

// IsItself says whether the loop takes a connected socket for one that has
// reached itself.
func IsItself(fd int, to netip.AddrPort) bool {
	return (&Side{remote: to, socket: socket{fd: int32(fd)}}).isItself()
}
