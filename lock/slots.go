package lock

// An acquireWaiter is a call of AcquireN that waits.
type acquireWaiter struct {
	Waiter
	units      int
	granted    chan struct{}
	index      int // of its units, once it was admitted
	generation uint64
}

func (c *acquireWaiter) Granted(*Waiter) { close(c.granted) }

// slot returns the Slot of c once it was admitted.
func (s *Semaphore) slot(c *acquireWaiter) Slot { return Slot{s, c.index, c.generation} }

// slots is the gate of a semaphore. The queue's lock guards it.
type slots struct {
	size, used int
	// entries has the units of each Slot at its index. Indexes are reused, so that a
	// semaphore in use does not allocate; the generation distinguishes a released Slot
	// from the one that has its index now.
	entries    []slotUnits
	vacant     []int
	generation uint64
}

// slotUnits is the units of one Slot; 0 once it was released.
type slotUnits struct {
	units      int
	generation uint64
}

// Admit implements Gate.
func (s *slots) Admit(w *Waiter) (Decision, Reason) {
	c := w.Owner.(*acquireWaiter)
	switch {
	case c.units > s.size: // not before a Resize
		return Skip, "slots"
	case !s.fits(c.units):
		return Wait, "slots"
	}
	c.index, c.generation = s.take(c.units)
	return Admit, ""
}

// Release implements Gate. It is not called, as a semaphore gives out Slots and no
// Permits: Slot.Release calls free.
func (s *slots) Release(w *Waiter) {
	c := w.Owner.(*acquireWaiter)
	s.free(c.index, c.generation)
}

// fits reports whether n units are free. After a Resize more may be in use
// than there are.
func (s *slots) fits(n int) bool { return n <= s.size-s.used }

func (s *slots) take(n int) (index int, generation uint64) {
	s.used += n
	s.generation++
	if last := len(s.vacant) - 1; last >= 0 {
		index, s.vacant = s.vacant[last], s.vacant[:last]
	} else {
		index, s.entries = len(s.entries), append(s.entries, slotUnits{})
	}
	s.entries[index] = slotUnits{units: n, generation: s.generation}
	return index, s.generation
}

// free returns the units at index, and false if they were released before.
func (s *slots) free(index int, generation uint64) bool {
	h := &s.entries[index]
	if h.generation != generation || h.units == 0 {
		return false
	}
	s.used -= h.units
	h.units = 0
	s.vacant = append(s.vacant, index)
	return true
}
