package mesh

import (
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// wire is the connection under TLS. It knows when something last went each way, and how it ended: above it, every ending
// looks alike.
type wire struct {
	net.Conn
	born  time.Time // the node's, so that times fit an atomic and stay monotonic
	heard atomic.Int64
	wrote atomic.Int64
	ended atomic.Pointer[error] // what the first failed Read said
}

func newWire(c net.Conn, born time.Time) *wire {
	w := &wire{Conn: c, born: born}
	now := int64(time.Since(born))
	w.heard.Store(now)
	w.wrote.Store(now)
	return w
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.heard.Store(int64(time.Since(w.born)))
	}
	if err != nil {
		w.ended.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if n > 0 {
		w.wrote.Store(int64(time.Since(w.born)))
	}
	return n, err
}

func (w *wire) heardAt() time.Time { return w.born.Add(time.Duration(w.heard.Load())) }

// silence is how long nothing has come, and quiet how long nothing has gone.
func (w *wire) silence() time.Duration { return time.Since(w.born) - time.Duration(w.heard.Load()) }
func (w *wire) quiet() time.Duration   { return time.Since(w.born) - time.Duration(w.wrote.Load()) }

// muxed is what yamux writes to. It puts a frame's header and body, which yamux writes one after the other, into one TLS
// record and one packet: of an idle mesh's packets that is half. Closing goes below TLS, because TLS would wait up to five
// seconds to say goodbye on a connection that is cut.
type muxed struct {
	*tls.Conn
	wire *wire
	held []byte // a header whose body is to come
}

const muxHeader = 12 // version, type, flags (2), stream (4), length (4)

func (m *muxed) Write(b []byte) (int, error) {
	if len(m.held) > 0 {
		frame := append(m.held, b...)
		m.held = m.held[:0]
		if _, err := m.Conn.Write(frame); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	const data = 0
	if len(b) == muxHeader && b[1] == data && [4]byte(b[8:12]) != [4]byte{} {
		m.held = append(m.held, b...)
		return len(b), nil
	}
	return m.Conn.Write(b)
}

func (m *muxed) Close() error { return m.wire.Conn.Close() }

func keyBytes(k crypto.PublicKey) []byte { return k.(ed25519.PublicKey) }
