package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	spliceFlags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
	// spliceIdle is how long an idle stream keeps its pipe.
	spliceIdle = 50 * time.Millisecond
)

// splice copies src to dst inside the kernel while src keeps sending. It returns nil
// once src idles or if splicing is impossible: the caller then copies with buffers. An
// error of dst is a writeError.
func (r *Stream) splice(src, dst *Side) error {
	in, out := spliceable(src.conn), spliceable(dst.conn)
	if in == nil || out == nil {
		return nil
	}
	p := r.pipes.get()
	if p == nil {
		return nil
	}
	s := streamSplicer{src: src, dst: dst, in: in, out: out, pipe: p}
	err := s.run()
	r.pipes.put(p, s.inPipe == 0)
	src.readBy(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// spliceable returns a plain socket's raw descriptor, or nil for a wrapper.
func spliceable(c net.Conn) syscall.RawConn {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return rawConnOf(c)
	}
	return nil
}

type streamSplicer struct {
	src, dst *Side
	in, out  syscall.RawConn
	pipe     *pipe
	inPipe   int
	deadline time.Time
	n        int
	err      error
	urgent   bool // src has urgent data
}

func (s *streamSplicer) run() error {
	fill, empty := s.fill, s.empty // closures, made once
	for {
		// A continuous stream rarely sets its deadline.
		if now := time.Now(); s.deadline.Sub(now) < spliceIdle/2 {
			s.deadline = now.Add(spliceIdle)
			s.src.readBy(s.deadline)
		}
		if err := s.in.Read(fill); err != nil {
			return err
		}
		switch {
		case s.err != nil:
			return os.NewSyscallError("splice", s.err)
		case s.n == 0:
			return nil // at its end, or before urgent data: a read finds out which
		}
		s.src.in.Add(int64(s.n))
		s.src.touch()
		s.inPipe = s.n
		for s.inPipe > 0 {
			if err := s.out.Write(empty); err != nil {
				return writeError{err}
			}
			if s.err != nil {
				return writeError{os.NewSyscallError("splice", s.err)}
			}
			if s.n == 0 {
				return writeError{io.ErrShortWrite}
			}
			s.inPipe -= s.n
			s.dst.out.Add(int64(s.n))
		}
		if s.urgent {
			return nil // the position of this urgent byte must be recorded before another arrives
		}
	}
}

// fill also gets EAGAIN at an urgent byte, where it would wait for ever.
func (s *streamSplicer) fill(fd uintptr) bool {
	done := s.try(int(fd), s.pipe.w, s.pipe.size)
	s.urgent = hasUrgent(int32(fd))
	if !done && s.urgent {
		s.n, s.err = 0, nil
		return true
	}
	return done
}

func (s *streamSplicer) empty(fd uintptr) bool { return s.try(s.pipe.r, int(fd), s.inPipe) }

// try splices once; false waits until the socket is ready again.
func (s *streamSplicer) try(from, to, most int) bool {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, spliceFlags)
		if err == unix.EINTR {
			continue
		}
		s.n, s.err = int(n), err
		return err != unix.EAGAIN
	}
}
