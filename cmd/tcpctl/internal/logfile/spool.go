package logfile

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	batch     = 64 << 10 // bytes written at once when lines come fast
	closeWait = 5 * time.Second
)

// ErrStuck says that the lines could not all be written in time: the disk, or
// the reader of a pipe, does not take them.
var ErrStuck = errors.New("logfile: the remaining lines were not written: the disk or the reader of the pipe takes no more")

// SpoolConfig says how values become lines. To and Append are needed.
type SpoolConfig[T any] struct {
	Size   int // how many may wait; 0: 4096
	To     io.Writer
	Append func(line []byte, v T) []byte // its text, with the end of the line
	// Losing gets why a value was lost, if there is room in it, as soon as it is: also while the
	// writing goroutine waits. nil is too fast.
	Losing chan<- error
}

// Spool takes values on one side without ever waiting, and writes them as
// lines on the other, in one goroutine.
type Spool[T any] struct {
	cfg     SpoolConfig[T]
	values  chan T
	closing chan struct{}
	once    sync.Once
	done    chan struct{}
	lost    atomic.Uint64
}

// NewSpool begins to write. Close it.
func NewSpool[T any](c SpoolConfig[T]) *Spool[T] {
	c.Size = cmp.Or(c.Size, 4096)
	s := &Spool[T]{cfg: c, values: make(chan T, c.Size), closing: make(chan struct{}), done: make(chan struct{})}
	go s.writeAll()
	return s
}

// Put takes v, or counts it as lost where there is no room. It never waits.
func (s *Spool[T]) Put(v T) {
	if !s.closed() {
		select {
		case s.values <- v:
			return
		default:
		}
	}
	s.lose(1, nil)
}

func (s *Spool[T]) lose(n uint64, err error) {
	s.lost.Add(n)
	select {
	case s.cfg.Losing <- err:
	default:
	}
}

// PutWait is Put that waits for room; it reports false when the
// spool is closed first.
func (s *Spool[T]) PutWait(v T) bool {
	if s.closed() {
		return false
	}
	select {
	case <-s.closing:
		return false
	case s.values <- v:
		return true
	}
}

func (s *Spool[T]) closed() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// Lost is how many values were lost so far.
func (s *Spool[T]) Lost() uint64 { return s.lost.Load() }

// Close writes what has been taken, and ends. It waits five seconds at most,
// and then returns ErrStuck. What it writes to stays open.
func (s *Spool[T]) Close() error {
	s.once.Do(func() { close(s.closing) })
	select {
	case <-s.done:
		return nil
	case <-time.After(closeWait):
		return ErrStuck
	}
}

func (s *Spool[T]) writeAll() {
	defer close(s.done)
	var lines []byte
	for {
		select {
		case v := <-s.values:
			lines = s.write(lines[:0], v)
		case <-s.closing:
			if len(s.values) == 0 {
				return
			}
		}
	}
}

// write writes v, and the values already waiting, in one Write.
func (s *Spool[T]) write(lines []byte, v T) []byte {
	lines = s.cfg.Append(lines, v)
	n := uint64(1)
	for len(lines) < batch {
		select {
		case v = <-s.values:
			lines = s.cfg.Append(lines, v)
			n++
			continue
		default:
		}
		break
	}
	if written, err := s.cfg.To.Write(lines); err != nil {
		for _, b := range lines[:written] {
			if b == '\n' {
				n--
			}
		}
		s.lose(n, err)
	}
	return lines
}
