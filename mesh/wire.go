package mesh

import (
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// wire is the connection under TLS. It records when something was last read and written, and the error of the first Read
// that failed: above TLS all ends look alike.
type wire struct {
	net.Conn
	started   time.Time // the node's; times since then fit an atomic and stay monotonic
	lastRead  atomic.Int64
	lastWrite atomic.Int64
	readErr   atomic.Pointer[error]
}

func newWire(c net.Conn, born time.Time) *wire {
	w := &wire{Conn: c, started: born}
	now := int64(time.Since(born))
	w.lastRead.Store(now)
	w.lastWrite.Store(now)
	return w
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.lastRead.Store(int64(time.Since(w.started)))
	}
	if err != nil {
		w.readErr.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if n > 0 {
		w.lastWrite.Store(int64(time.Since(w.started)))
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		// The peer has closed the connection. Its last message may still be unread in the socket, which yamux would close on
		// this error: let Read get that message, and then the end.
		return len(b), nil
	}
	return n, err
}

func (w *wire) lastReadAt() time.Time { return w.started.Add(time.Duration(w.lastRead.Load())) }

// sinceRead returns how long ago something was last read.
func (w *wire) sinceRead() time.Duration {
	return time.Since(w.started) - time.Duration(w.lastRead.Load())
}
func (w *wire) sinceWrite() time.Duration {
	return time.Since(w.started) - time.Duration(w.lastWrite.Load())
}

// yamuxConn is what yamux writes to. It puts a frame's header and body, which yamux writes one after the other, into one TLS
// record and one packet: that halves the packets of an idle mesh. Close closes the TCP connection directly, because TLS
// would wait up to five seconds to send a close_notify to an unreachable peer.
type yamuxConn struct {
	*tls.Conn
	wire   *wire
	header []byte // a header whose body is to come
}

const yamuxHeader = 12 // version, type, flags (2), stream (4), length (4)

func (m *yamuxConn) Write(b []byte) (int, error) {
	if len(m.header) > 0 {
		frame := append(m.header, b...)
		m.header = m.header[:0]
		if _, err := m.Conn.Write(frame); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	const data = 0
	if len(b) == yamuxHeader && b[1] == data && [4]byte(b[8:12]) != [4]byte{} {
		m.header = append(m.header, b...)
		return len(b), nil
	}
	return m.Conn.Write(b)
}

func (m *yamuxConn) Close() error { return m.wire.Conn.Close() }

func keyBytes(k crypto.PublicKey) []byte { return k.(ed25519.PublicKey) }

// readFrame reads a length of four bytes and then as many bytes. A length over limit fails before memory is allocated.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if uint64(size) > uint64(limit) {
		return nil, fmt.Errorf("mesh: a frame of %d bytes: the limit is %d", size, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("mesh: in a frame of %d bytes: %w", size, err)
	}
	return body, nil
}

// writeFrame writes the parts as one frame, in one Write.
func writeFrame(w io.Writer, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+size), uint32(size))
	for _, p := range parts {
		frame = append(frame, p...)
	}
	_, err := w.Write(frame)
	return err
}
