package relay

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// takeOver gives ln a descriptor of its own. It closes the net.Listener, unless
// that would remove its file: Go's poller would wake a thread for each client in
// addition to the loop.
func (l *Listener) takeOver(ln *loopListener, on *loop) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isClosing() { // a close that begins later will find what is set here
		return net.ErrClosed
	}
	fd, err := dupOf(l.Listener)
	if err != nil {
		return err
	}
	if !l.unlinks {
		l.Listener.Close()
	}
	ln.fd, l.fd = int32(fd), fd
	l.serving.Add(1)
	l.stop = func() error {
		l.Listener.Close()
		if !on.inbox.post(message{do: ln.onClose}, nil) {
			ln.release()
		}
		return nil
	}
	l.drain = func() {
		if !on.inbox.post(message{do: ln.drain}, nil) {
			l.closeNoWait()
		}
	}
	return nil
}

// dupOf returns another descriptor of a listener's socket.
func dupOf(ln net.Listener) (dup int, err error) {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return -1, errors.New("relay: a listener without a socket needs the stream runner")
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := rc.Control(func(fd uintptr) { dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); cerr != nil {
		return -1, cerr
	}
	return dup, os.NewSyscallError("dup", err)
}
