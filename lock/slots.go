package lock

// call is one AcquireN that waits.
type call struct {
	Waiter
	n       int
	granted chan struct{}
	index   int // of its units, once it was admitted
	serial  uint64
}

func (c *call) Granted(*Waiter) { close(c.granted) }

// slot is what c holds once it was admitted.
func (s *Semaphore) slot(c *call) Slot { return Slot{s, c.index, c.serial} }

// slots is the gate of a semaphore. The queue's lock guards it.
type slots struct {
	size, used int
	// held has the units of each Slot at its index. An index is used again, so
	// that a semaphore that has been in use allocates nothing; the serial tells
	// a Slot that was released from the one that has its index now.
	held   []holding
	vacant []int
	serial uint64
}

// holding is what one Slot holds; 0 units once it was released.
type holding struct {
	units  int
	serial uint64
}

// Admit implements Gate.
func (s *slots) Admit(w *Waiter) (Decision, Reason) {
	c := w.Owner.(*call)
	switch {
	case c.n > s.size: // not before a Resize
		return Skip, "slots"
	case !s.fits(c.n):
		return Wait, "slots"
	}
	c.index, c.serial = s.take(c.n)
	return Admit, ""
}

// Release implements Gate. A semaphore hands out no Permit: Slot.Release gives
// back what take has given.
func (s *slots) Release(w *Waiter) {
	c := w.Owner.(*call)
	s.free(c.index, c.serial)
}

// fits reports whether n units are free. After a Resize more may be in use
// than there are.
func (s *slots) fits(n int) bool { return n <= s.size-s.used }

func (s *slots) take(n int) (index int, serial uint64) {
	s.used += n
	s.serial++
	if last := len(s.vacant) - 1; last >= 0 {
		index, s.vacant = s.vacant[last], s.vacant[:last]
	} else {
		index, s.held = len(s.held), append(s.held, holding{})
	}
	s.held[index] = holding{units: n, serial: s.serial}
	return index, s.serial
}

// free gives back the units at index and reports whether serial still held
// them.
func (s *slots) free(index int, serial uint64) bool {
	h := &s.held[index]
	if h.serial != serial || h.units == 0 {
		return false
	}
	s.used -= h.units
	h.units = 0
	s.vacant = append(s.vacant, index)
	return true
}
