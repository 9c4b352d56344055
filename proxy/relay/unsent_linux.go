package relay

// unsent is how many bytes that were written have not been acknowledged.
func (s *Side) unsent() (n int) {
	if rc := spliceable(s.conn); rc != nil {
		rc.Control(func(fd uintptr) { n = unsentOf(int32(fd)) })
	}
	return n
}
