//go:build unix

package relay

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConnOf finds the socket under a connection, nil when there is none.
// Through TLS it serves to wait and to look, never to read.
func rawConnOf(c net.Conn) syscall.RawConn {
	for {
		if u, ok := c.(interface{ NetConn() net.Conn }); ok {
			c = u.NetConn()
			continue
		}
		sc, ok := c.(syscall.Conn)
		if !ok {
			return nil
		}
		rc, err := sc.SyscallConn()
		if err != nil {
			return nil
		}
		return rc
	}
}

// newReader prefers to wait without a buffer.
func newReader(s *Side) reader {
	switch s.conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		if rc := rawConnOf(s.conn); rc != nil {
			r := &socketReader{rc: rc}
			r.once = r.tryRead
			return r
		}
	}
	return plainReader{s.conn}
}

// socketReader reads a socket with a buffer that it holds only while there
// are bytes to put in it.
type socketReader struct {
	rc   syscall.RawConn
	once func(fd uintptr) bool
	buf  *[bufferSize]byte
	n    int
	err  error
}

func (r *socketReader) read(deliver func([]byte)) (int, error) {
	if err := r.rc.Read(r.once); err != nil {
		return 0, err
	}
	n, err := r.n, r.err
	if r.buf != nil {
		deliver(r.buf[:n])
		buffers.Put(r.buf)
		r.buf = nil
	}
	switch {
	case err != nil:
		return 0, os.NewSyscallError("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// tryRead is called when the socket may have something; false waits on.
func (r *socketReader) tryRead(fd uintptr) bool {
	b := buffers.Get().(*[bufferSize]byte)
	for {
		r.n, r.err = unix.Read(int(fd), b[:])
		if r.err != unix.EINTR {
			break
		}
	}
	if r.err == nil && r.n > 0 {
		r.buf = b
		return true
	}
	buffers.Put(b)
	return r.err != unix.EAGAIN
}
