package proxy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Protocol is a protocol that frames the data of a service's clients, such as
// WebSocket: a handshake that is answered once there is a backend, frames, and a
// close code. The engine uses only this interface, so that such clients are queued,
// balanced, drained, paused and kicked like all others.
type Protocol interface {
	// Name returns the word for SessionInfo.Via.
	Name() string
	// Handshake reads the handshake from a connection, plain TCP or TLS, and owns
	// the connection. A TLS connection has the method ConnectionState of crypto/tls,
	// but need not be a *tls.Conn. Handshake must have its own time limit. It returns
	// a *Refusal if it has answered the client with an error, and another error if
	// the client sent no handshake.
	Handshake(net.Conn, Arrival) (PendingClient, error)
	// AnswerAfter returns how long a client may wait for the answer to its handshake.
	// A client that still waits then gets it, and goes on waiting in its ProtocolConn.
	AnswerAfter() time.Duration
	// KeepAlive sets whether connections without a handshake, such as those for a
	// file, may stay open for another request. It is on at first; off means that the
	// service is closed, and also closes idle ones.
	KeepAlive(on bool)
	// Same reports whether other behaves like this one; a reload then keeps this one.
	Same(other Protocol) bool
	// Close is called once, after the last call of Handshake. Handshakes in progress
	// and clients go on.
	Close()
}

// Arrival describes a new connection to a Protocol.
type Arrival struct {
	// Client is the client's address, from the PROXY header if there was one; not valid
	// for a Unix socket.
	Client netip.Addr
	// Trusted reports whether the peer is one of the trusted proxies, so that its
	// headers about the client are accepted.
	Trusted bool
	// Listen are the configured listen addresses of the service.
	Listen []string
	// Sharers returns the services that share the address now, in the order of the
	// configuration; nil: the service does not share it. The Protocol returns the
	// service of the client in PendingClient.Service or Refusal.Service.
	Sharers func() []Sharer
	// Detach must be called if the connection is not for a session but, for example,
	// for a file. From then on it does not count for the service; the Protocol must
	// bound the number of such connections. A handshake may still follow.
	Detach func()
}

// Refusal is the error of a Handshake that has refused its client, with an answer.
type Refusal struct {
	Reason Reason
	Detail string // for people: what was requested, and by whom; text from the client is quoted and short
	Hint   string // what to configure; may be empty
	// Service is the service that refused the client; "": the one whose Protocol was
	// called, or the first of those that share the address.
	Service string
}

func (r *Refusal) Error() string { return explain(r.Reason, r.Detail) }

// EndError is the error of a ProtocolConn's WriteTo that knows how the session ended,
// and by which side.
type EndError struct {
	By     string // ByClient and so on; "": the client
	Reason Reason
	Err    error // its text is Record.Detail
}

func (e *EndError) Error() string { return e.Err.Error() }
func (e *EndError) Unwrap() error { return e.Err }

// PendingClient is a client whose handshake was read but not answered. One of Accept,
// Refuse and Close must be called.
type PendingClient interface {
	// NetConn returns the TCP connection, which may be polled but not read.
	NetConn() net.Conn
	// HasEnded is called when the client's FIN has arrived behind unread data. With TLS, it
	// reads the data and reports whether it is only close_notify.
	HasEnded() bool
	// Service returns the service of the client, if several share the address; "": the one
	// whose Protocol was called.
	Service() string
	// Forwarded returns the client addresses that proxies sent, the nearest proxy's last.
	Forwarded() []netip.Addr
	// Notice returns a warning for operators about a client that is accepted
	// nevertheless, with a hint what to try; "": none.
	Notice() string
	// Accept answers the handshake. The caller owns the ProtocolConn.
	Accept() (ProtocolConn, error)
	// CanLoop reports whether a loop can copy the client's frames with
	// ProtocolConn.Frames, if the connection belongs to a loop.
	CanLoop() bool
	// Moved replaces the connection by one that does not belong to a loop.
	Moved(net.Conn)
	// Refuse answers the handshake with an HTTP status and a line of text, and closes
	// the connection. A retryAfter of 0 is not sent.
	Refuse(status int, retryAfter time.Duration, reason string) error
	// Close closes the connection of a client that is gone.
	Close() error
}

// ProtocolConn is a client whose handshake was accepted. It is a byte stream of the
// payload of the client's frames. For the other methods see relay.Framed and
// relay.Frames.
type ProtocolConn interface {
	net.Conn
	io.WriterTo
	ReadFromOnce(io.Reader) (int64, error)
	CanIdle() bool
	// Frames returns the framing for a loop, if CanLoop; it is called once.
	Frames() relay.Frames
	Moved(net.Conn) // see PendingClient
	// Hold keeps a waiting client alive and buffers some of its data for the backend.
	// It returns nil when its buffer is full, io.EOF when the client has closed (an
	// error that wraps io.ErrUnexpectedEOF if without a Close frame), or ctx's error.
	Hold(context.Context) error
	// CloseWith closes with a code of RFC 6455, section 7.4. It takes at most a few
	// seconds. If the client closed first, its code wins.
	CloseWith(code int, reason string) error
	CloseCode() int // close code; 0: not closed
	Subprotocol() string
	RTT() time.Duration // round trip of the last ping; 0: none yet
}
