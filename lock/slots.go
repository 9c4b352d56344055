package lock

// call is one AcquireN that waits.
type call struct {
	Waiter
	n       int
	granted chan struct{}
	index   int // of its units, once it was let in
	serial  uint64
}

func (c *call) Granted(*Waiter) { close(c.granted) }

// slot is what c has become once it was let in.
func (s *Semaphore) slot(c *call) Slot { return Slot{s, c.index, c.serial} }

// slots is the gate of a semaphore: who holds how many units. The queue's lock
// guards it.
type slots struct {
	size, used int
	// held are those who hold units, where a Slot points. Their places are used
	// again, so that a semaphore that has been in use allocates nothing; the
	// serial tells a Slot that was released from the one that has its place now.
	held   []holder
	vacant []int
	serial uint64
}

// holder is one Slot; no units: nobody.
type holder struct {
	units  int
	serial uint64
}

// Admit is the Gate's.
func (s *slots) Admit(w *Waiter) (Verdict, Reason) {
	c := w.Owner.(*call)
	switch {
	case c.n > s.size: // not before a Resize
		return Skip, "slots"
	case !s.fits(c.n):
		return Stay, "slots"
	}
	c.index, c.serial = s.take(c.n)
	return Go, ""
}

// Release is the Gate's, for a Permit. A semaphore gives none away: its slots
// are released by what take has given.
func (s *slots) Release(w *Waiter) {
	c := w.Owner.(*call)
	s.free(c.index, c.serial)
}

// fits says whether n units are free. After a Resize more may be in use than
// there are.
func (s *slots) fits(n int) bool { return n <= s.size-s.used }

func (s *slots) take(n int) (index int, serial uint64) {
	s.used += n
	s.serial++
	if last := len(s.vacant) - 1; last >= 0 {
		index, s.vacant = s.vacant[last], s.vacant[:last]
	} else {
		index, s.held = len(s.held), append(s.held, holder{})
	}
	s.held[index] = holder{units: n, serial: s.serial}
	return index, s.serial
}

// free reports whether the serial's units were still held.
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
