package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Sock is the options of a socket. Zero values are the defaults.
type Sock struct {
	KeepAlive   time.Duration // 0: 60 s, negative: off
	UserTimeout time.Duration // TCP_USER_TIMEOUT; 0: off. It also cuts a healthy peer that does not read
	Delay       bool          // leave Nagle's algorithm on
	Backlog     int           // 0: the system's
	Mode        fs.FileMode   // of a Unix listener's file; 0: 0600
	Group       string        // of this file, by name or number; "": the process's
}

// adjustConn undoes what Go sets on each new connection.
func (s Sock) adjustConn(c net.Conn) {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if s.Delay {
		t.SetNoDelay(false)
	}
	if s.KeepAlive < 0 {
		t.SetKeepAlive(false)
	}
}

func (s Sock) keepAlive() net.KeepAliveConfig {
	idle := cmp.Or(s.KeepAlive, time.Minute)
	// Go's own 15 s would be 13,000 probes a second at 100,000 sessions.
	return net.KeepAliveConfig{Enable: idle > 0, Idle: idle, Interval: idle / 4, Count: 4}
}

// Listener is one listen address.
type Listener struct {
	net.Listener
	Sock  Sock
	Share *Share // share of the sessions that the process can have; nil: no limit
	// OnError is called when an accept fails or has to wait for the budget
	// (ErrBudget), once for each burst. The listener retries by itself.
	OnError func(error)

	closing  chan struct{} // closed by Close
	draining chan struct{} // closed by Drain
	done     chan struct{} // closed when serving has ended
	closed   sync.Once
	drained  sync.Once
	over     sync.Once
	serving  sync.WaitGroup

	mu      sync.Mutex
	file    socketFile   // of a Unix socket; removed with the listener
	fd      int          // a loop's own descriptor of the socket, or -1
	adopted bool         // Go does not apply its options to the connections
	unlinks bool         // Go's Close would remove a Unix socket's file
	stop    func() error // set by a runner
	drain   func()       // set by a runner; nil: not served, or cannot be drained
}

// ErrBudget is passed to Listener.OnError when clients have to wait in the kernel's
// backlog because no session or file descriptor is free.
var ErrBudget = errors.New("relay: no session left in the budget")

// errDrained says that a draining listener has no more clients.
var errDrained = errors.New("relay: drained")

// Listen opens an address: "host:port", "unix:/path", or "unix:@name", which
// has no file. It replaces a Unix socket that no process listens on; anything else
// at the path is an error. addr may overlap the addresses of beside, listeners
// that are about to close: until then the kernel gives clients to the more
// specific address, so that none is refused. The caller owns the listener.
func Listen(addr string, sock Sock, beside ...*Listener) (*Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(path, sock)
	}
	for _, l := range beside {
		l.withFD(func(fd int) error { return sharePort(fd, true) }) // if this fails, bind returns the error
	}
	lc := net.ListenConfig{KeepAliveConfig: sock.keepAlive(), Control: sock.control}
	if len(beside) > 0 {
		lc.Control = sock.controlBeside
	}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	for _, l := range beside {
		l.withFD(func(fd int) error { return sharePort(fd, false) })
	}
	if err != nil {
		return nil, err
	}
	l := NewListener(ln)
	if len(beside) > 0 {
		l.withFD(func(fd int) error { return sharePort(fd, false) }) // no other socket may share the port
	}
	return l.setUp(addr, sock)
}

// Adopt returns a listener on an inherited socket, which already listens on addr.
// The caller still owns f.
func Adopt(f *os.File, addr string, sock Sock) (*Listener, error) {
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	l := NewListener(ln)
	l.adopted = true
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		l.file = fileOf(path)
	}
	return l.setUp(addr, sock)
}

// AdoptOrListen calls Adopt if f is a listening socket, and Listen otherwise. It
// closes f.
func AdoptOrListen(f *os.File, addr string, sock Sock) (*Listener, error) {
	if f != nil {
		defer f.Close()
		if l, err := Adopt(f, addr, sock); err == nil {
			return l, nil
		}
	}
	return Listen(addr, sock)
}

func (l *Listener) setUp(addr string, sock Sock) (*Listener, error) {
	l.Sock = sock
	if u, ok := l.Listener.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // since another listener may keep using the socket
		l.unlinks = false
	}
	if err := l.setBacklog(sock.Backlog); err != nil {
		l.Close()
		return nil, fmt.Errorf("backlog of %s: %w", addr, err)
	}
	return l, nil
}

// NewListener returns a Listener over ln, and owns ln.
func NewListener(ln net.Listener) *Listener {
	_, isUnix := ln.(*net.UnixListener)
	return &Listener{Listener: ln, closing: make(chan struct{}), draining: make(chan struct{}), done: make(chan struct{}),
		fd: -1, unlinks: isUnix, stop: ln.Close}
}

// Close stops accepting and waits for what Serve started. Accepted clients stay;
// the kernel resets those in its queue, unless another listener keeps using the
// socket. Call Drain instead to accept them first.
func (l *Listener) Close() error {
	err := l.closeNoWait()
	l.serving.Wait()
	l.markDone()
	return err
}

// closeNoWait is Close without the wait, for the goroutine that serves l.
func (l *Listener) closeNoWait() (err error) {
	l.closed.Do(func() {
		close(l.closing)
		if l.isDraining() {
			l.withFD(free)
		}
		l.mu.Lock()
		stop := l.stop
		l.fd = -1
		l.file.remove()
		l.mu.Unlock()
		err = stop()
	})
	return err
}

// Drain refuses new clients from now on. Clients that the kernel has queued are
// still accepted, however long the budget makes them wait; then the listener
// closes, and Done with it. Drain is Close if no runner serves l, and on systems
// that cannot refuse new clients and accept queued ones.
func (l *Listener) Drain() {
	l.mu.Lock()
	drain := l.drain
	if drain != nil {
		l.file.remove()
	}
	l.mu.Unlock()
	if drain == nil {
		l.Close()
		return
	}
	l.drained.Do(func() {
		l.withFD(refuse) // an older kernel leaves a gap between the last accept and the close
		close(l.draining)
		drain()
	})
}

// Done returns a channel that is closed once no more clients are accepted, after
// Drain or Close.
func (l *Listener) Done() <-chan struct{} { return l.done }

// isDraining reports whether new clients are refused.
func (l *Listener) isDraining() bool {
	select {
	case <-l.draining:
		return true
	default:
		return false
	}
}

// isClosing reports whether Close has begun.
func (l *Listener) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

func (l *Listener) markDone() { l.over.Do(func() { close(l.done) }) }

// CloseKeepFile is Close for a listener whose socket another process keeps
// using: the file of a Unix socket stays.
func (l *Listener) CloseKeepFile() error {
	l.mu.Lock()
	l.file = socketFile{}
	l.mu.Unlock()
	return l.Close()
}

// File returns a duplicate of the listening socket for a process that inherits
// it; the caller owns it. The listener keeps accepting.
func (l *Listener) File() (f *os.File, err error) {
	err = l.withFD(func(fd int) (err error) {
		f, err = dupFile(fd, l.Addr().String())
		return err
	})
	return f, err
}

// withFD calls f with the socket's descriptor, which f does not keep.
func (l *Listener) withFD(f func(fd int) error) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd >= 0 {
		return f(l.fd)
	}
	sc, ok := l.Listener.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	if cerr := rc.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// Dup returns another listener, set up as sock says, on the same socket. The
// caller owns it; l keeps accepting until it is closed. Clients in the kernel's
// backlog belong to the socket, so none is lost between the two. The file of a
// Unix socket passes to the new listener by TakeFile.
func (l *Listener) Dup(sock Sock) (*Listener, error) {
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Adopt(f, l.Addr().String(), sock)
}

// TakeFile makes l, a Dup of old, the owner of the file of their Unix socket: old
// no longer removes it.
func (l *Listener) TakeFile(old *Listener) {
	old.mu.Lock()
	file := old.file
	old.file = socketFile{}
	old.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file = file
	l.file.setAccess(l.Sock)
}

// HasFile reports whether the file of l's Unix socket is there and still its own:
// it may have been removed, or replaced by another process's.
func (l *Listener) HasFile() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.unchanged()
}

// SetAccess sets the mode and group of an adopted Unix socket's file to those in
// Sock; Listen does so itself.
func (l *Listener) SetAccess() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.setAccess(l.Sock)
}

func (l *Listener) report(err error) {
	if l.OnError != nil {
		l.OnError(err)
	}
}
