package relay

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// earlyMax bounds what is read of a waiter whose connection cannot be watched
// without reading.
const earlyMax = 4 << 10

// watch is one goroutine that looks out for the end of a waiting client.
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
	tell := func(e End) { r.Post(t, Event{Kind: PeerClosed, Side: s, End: s.behindEarly(e)}) }
	if rc := rawConnOf(s.conn); rc != nil && canProbe {
		watchSocket(rc, tell)
		return
	}
	watchByReading(s, tell)
}

// watchSocket waits for news on a socket and looks what it is, without taking
// a byte. The socket is edge-triggered: each look is at something new.
func watchSocket(rc syscall.RawConn, tell func(End)) {
	seen := Open
	rc.Read(func(fd uintptr) bool {
		if end := probe(fd); end != seen {
			seen = end
			tell(end)
		}
		return seen == Reset // behind a FIN, too: the task may have bytes of the side still
	})
}

// behindEarly is an end of stream as it is behind what was read already: not
// that of a side that has sent nothing.
func (s *Side) behindEarly(e End) End {
	if e == FIN && len(s.early) > 0 {
		return HalfFIN
	}
	return e
}

// watchByReading keeps what it reads for the relay, up to a bound; from then
// on the client is not watched any more.
func watchByReading(s *Side, tell func(End)) {
	buf := make([]byte, earlyMax)
	for len(s.early) < earlyMax {
		n, err := s.conn.Read(buf[:earlyMax-len(s.early)])
		s.early = append(s.early, buf[:n]...)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			tell(FIN)
			return
		default:
			var timeout interface{ Timeout() bool }
			if !(errors.As(err, &timeout) && timeout.Timeout()) {
				tell(Reset)
			}
			return // or told to end
		}
	}
}

// endWatch ends the watch over a side, if there is one, before somebody else
// reads from it.
func (s *Side) endWatch() {
	if s.watch == nil {
		return
	}
	s.conn.SetReadDeadline(time.Unix(1, 0))
	<-s.watch.done
	s.conn.SetReadDeadline(time.Time{})
	s.watch = nil
}
