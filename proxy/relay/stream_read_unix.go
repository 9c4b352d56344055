//go:build unix

package relay

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConnOf returns the socket under a connection, or nil. Under TLS it serves to wait
// and to probe, never to read.
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

// newReader returns a reader that waits without a buffer where it can.
func newReader(s, dst *Side) reader {
	switch s.conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		if rc := rawConnOf(s.conn); rc != nil {
			_, urgent := dst.conn.(*net.TCPConn)
			r := &socketReader{side: s, rc: rc, urgent: urgent && s.path == nil}
			r.once = r.tryRead
			return r
		}
	}
	return plainReader{s.conn}
}

// socketReader reads a socket with a buffer that it only holds while there are bytes to
// put in it.
type socketReader struct {
	side   *Side
	rc     syscall.RawConn
	urgent bool // urgent data is detected and passed on as such
	marks  marks
	once   func(fd uintptr) bool
	buf    *[bufferSize]byte
	n      int
	err    error
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

// tryRead is called when the socket may be readable; false waits again.
func (r *socketReader) tryRead(fd uintptr) bool {
	most := bufferSize
	if r.urgent {
		var empty bool
		if most, empty = r.expectUrgent(int32(fd)); empty {
			return false
		}
	}
	b := buffers.Get().(*[bufferSize]byte)
	r.n, r.err = readOnce(int32(fd), b[:most])
	if r.err == nil && r.n > 0 {
		r.buf = b
		return true
	}
	buffers.Put(b)
	return r.err != unix.EAGAIN
}
