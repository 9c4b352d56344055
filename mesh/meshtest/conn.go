package meshtest

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

const window = 256 << 10 // bytes in flight; beyond that Write blocks

// stream is one direction of a connection.
type stream struct {
	mu      sync.Mutex
	parts   []part
	size    int
	broken  bool          // the reader has closed: Write fails
	changed chan struct{} // closed and replaced at every change
	last    time.Time     // arrival of the last part: later ones must not overtake it
}

type part struct {
	data []byte
	at   time.Time // when it arrives
	eof  bool
}

func newStream() *stream { return &stream{changed: make(chan struct{})} }

// update runs f under the lock and wakes waiters: a stream is changed in no other way.
func (s *stream) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) send(p part, latency time.Duration) {
	s.update(func() {
		p.at = time.Now().Add(latency)
		if p.at.Before(s.last) {
			p.at = s.last
		}
		s.last = p.at
		s.parts = append(s.parts, p)
		s.size += len(p.data)
	})
}

// end is one end of a connection.
type end struct {
	host, peer    *Host
	in, out       *stream
	local, remote netip.AddrPort

	mu              sync.Mutex
	closed          bool
	readBy, writeBy deadline
}

// deadline is a time that can be changed while a call waits for it.
type deadline struct {
	at      time.Time
	changed chan struct{}
}

func (e *end) Read(b []byte) (int, error) {
	for {
		if e.isPast(&e.readBy) {
			return 0, os.ErrDeadlineExceeded
		}
		n, wait, changed, err := e.tryRead(b)
		if n > 0 || err != nil {
			return n, err
		}
		e.wait(&e.readBy, wait, changed)
	}
}

// tryRead takes what has arrived. If there is nothing, it returns how long to wait at most (0: no limit), and the channels to
// wait for.
func (e *end) tryRead(b []byte) (n int, wait time.Duration, changed []<-chan struct{}, err error) {
	open, networkChanged := e.host.net.path(e.host, e.peer)
	frozen, _ := e.host.isFrozen()
	peerFrozen, _ := e.peer.isFrozen()
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	changed = []<-chan struct{}{networkChanged, e.in.changed}
	if e.isClosed() {
		return 0, 0, nil, net.ErrClosed
	}
	if !open || frozen || len(e.in.parts) == 0 {
		return 0, 0, changed, nil
	}
	first := &e.in.parts[0]
	if d := time.Until(first.at); d > 0 {
		return 0, d, changed, nil
	}
	if first.eof && peerFrozen { // a stopped process closes nothing, whatever its node believes
		return 0, 0, changed, nil
	}
	if first.eof {
		return 0, 0, nil, io.EOF
	}
	n = copy(b, first.data)
	first.data = first.data[n:]
	if len(first.data) == 0 {
		e.in.parts = slices.Delete(e.in.parts, 0, 1)
	}
	e.in.size -= n
	close(e.in.changed) // wake the writer
	e.in.changed = make(chan struct{})
	return n, 0, nil, nil
}

func (e *end) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		e.out.mu.Lock()
		room, broken, changed := window-e.out.size, e.out.broken, e.out.changed
		e.out.mu.Unlock()
		frozen, networkChanged := e.host.isFrozen()
		switch {
		case e.isClosed():
			return written, net.ErrClosed
		case e.isPast(&e.writeBy):
			return written, os.ErrDeadlineExceeded
		case broken:
			return written, syscall.EPIPE
		case room <= 0 || frozen:
			e.wait(&e.writeBy, 0, []<-chan struct{}{changed, networkChanged})
			continue
		}
		n := min(room, len(b)-written)
		e.out.send(part{data: slices.Clone(b[written : written+n])}, e.host.net.latency())
		written += n
	}
	return written, nil
}

// wait returns when one of the channels is closed, at the deadline, or after d unless that is 0.
func (e *end) wait(by *deadline, d time.Duration, changed []<-chan struct{}) {
	e.mu.Lock()
	at := by.at
	if by.changed == nil {
		by.changed = make(chan struct{})
	}
	moved := by.changed
	e.mu.Unlock()
	if remaining := time.Until(at); !at.IsZero() && (d == 0 || remaining < d) {
		d = max(remaining, 1)
	}
	var timeout <-chan time.Time
	if d > 0 {
		timeout = time.After(d)
	}
	select {
	case <-changed[0]:
	case <-changed[1]:
	case <-moved:
	case <-timeout:
	}
}

func (e *end) isPast(by *deadline) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !by.at.IsZero() && time.Until(by.at) <= 0
}

func (e *end) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Close sends the end of the stream after what was written.
func (e *end) Close() error {
	e.mu.Lock()
	was := e.closed
	e.closed = true
	e.mu.Unlock()
	if was {
		return net.ErrClosed
	}
	e.out.send(part{eof: true}, e.host.net.latency())
	e.in.update(func() { e.in.broken = true })
	e.host.net.mu.Lock()
	defer e.host.net.mu.Unlock()
	e.host.ends = slices.DeleteFunc(e.host.ends, func(other *end) bool { return other == e })
	return nil
}

// LastAck is what mesh.Network asks of connections.
func (e *end) LastAck() time.Duration {
	if open, _ := e.host.net.path(e.host, e.peer); open {
		return 0
	}
	return time.Hour
}

func (e *end) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(e.local) }
func (e *end) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(e.remote) }

func (e *end) SetDeadline(t time.Time) error {
	e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error  { return e.set(&e.readBy, t) }
func (e *end) SetWriteDeadline(t time.Time) error { return e.set(&e.writeBy, t) }

func (e *end) set(d *deadline, t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	d.at = t
	if d.changed != nil {
		close(d.changed)
	}
	d.changed = make(chan struct{})
	return nil
}
