package relay

// Parked says whether nothing of a side's is being waited for by a goroutine.
func (s *Side) Parked() bool {
	l := &s.spot.pair.run.lot
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.spot.parked
}
