package relay

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// earlyMax bounds what is read from a waiter whose connection can only be watched
// by reading.
const earlyMax = 4 << 10

// watch is one goroutine that watches for the end of a waiting client.
type watch struct {
	done chan struct{}
}

func (r *Stream) Watch(t Task, s *Side) {
	s.watch = &watch{done: make(chan struct{})}
	r.wg.Add(1)
	go r.watchSide(t, s, s.watch)
}

func (r *Stream) watchSide(t Task, s *Side, w *watch) {
	defer r.wg.Done()
	defer close(w.done)
	notify := func(e End) { r.Post(t, Event{Kind: PeerClosed, Side: s, End: s.behindEarly(e)}) }
	if rc := rawConnOf(s.conn); rc != nil && canProbe {
		watchSocket(rc, notify)
		return
	}
	watchByReading(s, notify)
}

// watchSocket waits for a change of a socket and probes it, without taking a byte.
// Go's poller is edge-triggered: it wakes for changes only.
func watchSocket(rc syscall.RawConn, notify func(End)) {
	seen := Open
	rc.Read(func(fd uintptr) bool {
		if end := probe(fd); end != seen {
			seen = end
			notify(end)
		}
		return seen == Reset // also after a FIN: the task may still have bytes of the side
	})
}

// behindEarly makes FIN HalfFIN if bytes were read already: the side has sent
// something before its end.
func (s *Side) behindEarly(e End) End {
	if e == FIN && s.hasEarly() {
		return HalfFIN
	}
	return e
}

// hasEarly says whether something that the side has sent was read already, and is
// to be delivered.
func (s *Side) hasEarly() bool {
	return len(s.early) > 0 || s.secure != nil && len(s.secure.partial) > 0
}

// watchByReading keeps what it reads for the relay, up to a bound; from then
// on the client is not watched any more.
func watchByReading(s *Side, notify func(End)) {
	buf := make([]byte, earlyMax)
	for len(s.early) < earlyMax {
		n, err := s.conn.Read(buf[:earlyMax-len(s.early)])
		s.early = append(s.early, buf[:n]...)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			notify(FIN)
			return
		default:
			var timeout interface{ Timeout() bool }
			if !(errors.As(err, &timeout) && timeout.Timeout()) {
				notify(Reset)
			}
			return // endWatch has set the deadline
		}
	}
}

// endWatch ends the watch of a side, if there is one, so that other code can read
// from it.
func (s *Side) endWatch() {
	if s.watch == nil {
		return
	}
	s.conn.SetReadDeadline(time.Unix(1, 0))
	<-s.watch.done
	s.conn.SetReadDeadline(time.Time{})
	s.watch = nil
}
