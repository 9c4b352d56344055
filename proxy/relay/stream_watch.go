package relay

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// earlyMax bounds what is read from a waiter that can only be watched by reading.
const earlyMax = 4 << 10

// watch is one goroutine that watches for the end of a waiting client.
type watch struct {
	done   chan struct{}
	early  []byte       // read by readToEnd
	behind atomic.Int32 // the End that readToEnd has found, HalfFIN while it reads; Open: not called
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
	if err := recovered(func() { w.watch(s, notify) }); err != nil {
		r.Post(t, Event{Kind: PeerClosed, Side: s, End: Reset, Err: err})
	}
}

// watch watches until the side has been reset, is closed, or endWatch is called.
func (w *watch) watch(s *Side, notify func(End)) {
	if rc := rawConnOf(s.conn); rc != nil && canProbe {
		if watchSocket(rc, s.readsToEnd(), notify) == HalfFIN && s.readsToEnd() {
			w.behind.Store(int32(HalfFIN)) // a probe would no longer find what is being read
			end := w.readToEnd(s)
			w.behind.Store(int32(end))
			notify(end)
			watchSocket(rc, false, func(e End) {
				if e == Reset {
					notify(e)
				}
			})
		}
		return
	}
	watchByReading(s, notify)
}

// watchSocket waits for a change of a socket and probes it, without taking a byte. Go's
// poller is edge-triggered: it only wakes for changes. With reads it returns if there
// are bytes before an end of stream, which the caller reads.
func watchSocket(rc syscall.RawConn, reads bool, notify func(End)) (seen End) {
	rc.Read(func(fd uintptr) bool {
		if end := probe(fd); end != seen {
			seen = end
			if end == HalfFIN && reads {
				return true
			}
			notify(end)
		}
		return seen == Reset // a FIN does not end the watch: the task may still have bytes of the side
	})
	return seen
}

// endReader is a connection that is only watched, but can read what follows its
// handshake.
type endReader interface {
	// HasEnded reads what the client has sent before its FIN, which has arrived, and
	// reports whether that was only the end of its TLS.
	HasEnded() bool
}

// readsToEnd reports whether the unread bytes may contain no data of the side: TLS
// records.
func (s *Side) readsToEnd() bool {
	switch s.conn.(type) {
	case endReader, *tls.Conn, *tlsConn:
		return true
	}
	return false
}

// readToEnd returns the end of a waiting side after its unread bytes, of which it reads
// a few KiB. It does not wait, as the end has arrived.
func (w *watch) readToEnd(s *Side) End {
	if c, ok := s.conn.(endReader); ok {
		if c.HasEnded() {
			return FIN
		}
		return HalfFIN
	}
	b := make([]byte, earlyMax)
	n, err := 0, error(nil)
	for n < len(b) && err == nil {
		var more int
		more, err = s.conn.Read(b[n:])
		n += more
	}
	w.early = b[:n:n]
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) { // caused by endWatch
		return HalfFIN
	}
	return s.behindEarly(FIN)
}

// behindEarly makes FIN HalfFIN if bytes were already read: the side has sent something
// before its end.
func (s *Side) behindEarly(e End) End {
	if e == FIN && s.hasEarly() {
		return HalfFIN
	}
	return e
}

// hasEarly reports whether data of the side was already read and is to be delivered.
func (s *Side) hasEarly() bool {
	return len(s.early) > 0 || s.secure != nil && len(s.secure.partial) > 0
}

// watchByReading keeps what it reads for the relay, up to a limit; after that the
// client is no longer watched.
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
	s.early = append(s.early, s.watch.early...)
	s.watch = nil
}
