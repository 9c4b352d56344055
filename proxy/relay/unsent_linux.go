package relay

import "golang.org/x/sys/unix"

// unsent is how many bytes that were written have not been acknowledged.
func (s *Side) unsent() (n int) {
	if rc := spliceable(s.conn); rc != nil {
		rc.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
	return n
}
