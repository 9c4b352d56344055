package relay

import (
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

// Sock is how a socket is set up. Zero values are the defaults.
type Sock struct {
	KeepAlive   time.Duration // 0: 60 s, negative: off
	UserTimeout time.Duration // TCP_USER_TIMEOUT; 0: off. It also cuts a healthy peer that does not read
	Delay       bool          // leave Nagle's algorithm on
	Backlog     int           // 0: the system's
}

func (s Sock) keepAlive() net.KeepAliveConfig {
	idle := s.KeepAlive
	if idle == 0 {
		idle = time.Minute
	}
	// Go's own 15 s would be 13,000 probes a second at 100,000 sessions.
	return net.KeepAliveConfig{Enable: idle > 0, Idle: idle, Interval: idle / 4, Count: 4}
}

// Listener is one address that clients come to.
type Listener struct {
	net.Listener
	Sock  Sock
	Share *Share // of the sessions that the process can hold; nil: no limit
	// Trouble is told of an accept that failed, or that had to wait for the
	// budget, once a burst. The listener goes on by itself.
	Trouble func(error)

	closing chan struct{}
	closed  sync.Once
	serving sync.WaitGroup

	mu     sync.Mutex
	unlink string       // the path of a Unix socket that goes with it
	fd     int          // a loop's own descriptor of it, else -1
	stop   func() error // how a loop closes it
}

// ErrBudget is told to Listener.Trouble when clients have to wait outside
// because no session or descriptor is left.
var ErrBudget = errors.New("relay: no session left in the budget")

// Listen opens an address: "host:port", or "unix:/path". A Unix socket that
// nobody listens on any more is replaced; anything else in its place is not.
func Listen(addr string, sock Sock) (*Listener, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
		if err := ClearSocket(path); err != nil {
			return nil, err
		}
	}
	lc := net.ListenConfig{KeepAliveConfig: sock.keepAlive(), Control: sock.control}
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	return opened(ln, addr, sock)
}

// Adopt opens an address by a socket that listens there already, in the file
// of another process; the file is the caller's still.
func Adopt(f *os.File, addr string, sock Sock) (*Listener, error) {
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	addr, _ = strings.CutPrefix(addr, "unix:")
	return opened(ln, addr, sock)
}

func opened(ln net.Listener, addr string, sock Sock) (*Listener, error) {
	l := NewListener(ln)
	l.Sock = sock
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // since the socket may live on in another listener
		l.unlink = addr
	}
	if err := l.setBacklog(sock.Backlog); err != nil {
		ln.Close()
		return nil, fmt.Errorf("backlog of %s: %w", addr, err)
	}
	return l, nil
}

// NewListener wraps a listener that exists, which it owns from now on.
func NewListener(ln net.Listener) *Listener {
	return &Listener{Listener: ln, closing: make(chan struct{}), fd: -1, stop: ln.Close}
}

// Close stops accepting and waits for what Serve started. Clients that have
// been given to accept are not touched.
func (l *Listener) Close() error {
	var err error
	l.closed.Do(func() {
		close(l.closing)
		l.mu.Lock()
		stop := l.stop
		l.fd = -1
		if l.unlink != "" {
			os.Remove(l.unlink)
		}
		l.mu.Unlock()
		err = stop()
	})
	l.serving.Wait()
	return err
}

// Leave is Close for a listener whose socket lives on in another process: a
// Unix socket's file stays where it is.
func (l *Listener) Leave() error {
	l.mu.Lock()
	l.unlink = ""
	l.mu.Unlock()
	return l.Close()
}

// File gives another descriptor of the listening socket, for a process that
// takes over. The listener goes on.
func (l *Listener) File() (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd >= 0 {
		return l.rawFile()
	}
	if f, ok := l.Listener.(interface{ File() (*os.File, error) }); ok {
		return f.File()
	}
	return nil, errors.ErrUnsupported
}

// Again gives the same socket as another listener, which the caller owns; this
// one goes on until it is closed. Clients in the kernel's backlog belong to
// the socket, so none is lost between the two.
func (l *Listener) Again() (*Listener, error) {
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	again := NewListener(ln)
	again.Sock = l.Sock
	l.mu.Lock()
	defer l.mu.Unlock()
	again.unlink, l.unlink = l.unlink, ""
	return again, nil
}

func (l *Listener) trouble(err error) {
	if l.Trouble != nil {
		l.Trouble(err)
	}
}

// ClearSocket removes a socket that nobody listens on. A socket that is in
// use, or what is not a socket, is an error and is left alone.
func ClearSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way and is not a socket", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("listen unix %s: %w", path, syscall.EADDRINUSE)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return err
}
