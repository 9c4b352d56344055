package relay

// unsent is how many bytes that were written have not been acknowledged, under
// TLS or frames too.
func (s *Side) unsent() (n int) {
	if rc := rawConnOf(s.conn); rc != nil {
		rc.Control(func(fd uintptr) { n = unsentOf(int32(fd)) })
	}
	return n
}

// wasReset says that a TCP connection whose end we have read was reset.
func (s *Side) wasReset() (reset bool) {
	if rc := spliceable(s.conn); rc != nil {
		rc.Control(func(fd uintptr) { reset = isReset(int32(fd)) })
	}
	return reset
}
