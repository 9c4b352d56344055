package proxy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Protocol is what the clients of a service speak around their bytes, such as
// WebSocket: a handshake that is answered once there is a backend, frames, and
// a word at the end. The engine knows no more of it than this, so that such a
// client is queued, balanced, drained, paused and kicked like any other.
type Protocol interface {
	// Name is what a session's Via shows.
	Name() string
	// Handshake waits for the handshake on a connection, plain TCP or TLS, which
	// it owns from now on. One of TLS has crypto/tls's method ConnectionState, and
	// is not always a *tls.Conn. Handshake must have an end of its own. An error is for a
	// client that brought none; a *Refusal, for one that has had its answer.
	Handshake(net.Conn, Arrival) (PendingClient, error)
	// AnswerAfter is how long a client waits for the answer to its handshake.
	// One that still waits then gets it, and waits in its ProtocolConn.
	AnswerAfter() time.Duration
	// KeepAlive says whether connections may stay open on which there was no
	// handshake but something else, like a file. It is on at first; off means
	// that the service is closed, and that those which are idle end now.
	KeepAlive(on bool)
	// Same says whether other does what this one does: then a reload keeps it.
	Same(other Protocol) bool
	// Close is called once, when there will be no more calls of Handshake. Those
	// under way, clients that have come go on.
	Close()
}

// Arrival is what a Protocol gets to know of a connection.
type Arrival struct {
	// Client is the client's address, by a PROXY header where there was one; not valid
	// for a Unix socket.
	Client netip.Addr
	// Trusted: it comes from one of the trusted proxies, so what that says of
	// its client is believed.
	Trusted bool
	// Listen are the addresses that the service is configured to listen on.
	Listen []string
	// Sharers gives the services that share the address now, in the order of the
	// configuration; nil: the service has it for itself. The Protocol then says whose
	// client it is: PendingClient.Service, Refusal.Service.
	Sharers func() []Sharer
	// Detach is to be called when the connection turns out to be for something
	// that is no session, like a file. It takes none of the service's capacity
	// from then on, the Protocol bounds how many there are, and a handshake may
	// still follow.
	Detach func()
}

// Refusal is the error of a Handshake whose client has been refused, and has had
// its answer.
type Refusal struct {
	Reason Reason
	Detail string // for people: what was asked for, by whom; a client's words are quoted and short
	Hint   string // what to configure; "": nothing helps
	// Service is which of several services has refused it; "": the one that was
	// asked, or the first of those that share the address.
	Service string
}

func (r *Refusal) Error() string { return explain(r.Reason, r.Detail) }

// EndError is what a ProtocolConn's WriteTo returns where it knows how the session has
// ended, and by whom.
type EndError struct {
	By     string // "": the client
	Reason Reason
	Err    error // its text is the record's detail
}

func (e *EndError) Error() string { return e.Err.Error() }
func (e *EndError) Unwrap() error { return e.Err }

// PendingClient is a client whose handshake has come and has not been answered. It is
// ended by one of Accept, Refuse and Close.
type PendingClient interface {
	// NetConn is the TCP connection, to be watched and not read.
	NetConn() net.Conn
	// HasEnded is called once the client's FIN has come, behind bytes that nothing has read.
	// Of TLS it reads them, and reports whether they are no more than its end: close_notify.
	HasEnded() bool
	// Service is the service that it is for, of several that share the address;
	// "": the one that was asked.
	Service() string
	// Forwarded are the addresses that proxies have named, the nearest last.
	Forwarded() []netip.Addr
	// Notice is what an operator should know of a client that is
	// admitted nevertheless, with a hint what to try; "": nothing.
	Notice() string
	Accept() (ProtocolConn, error)
	// CanLoop reports whether a loop can carry the frames that its handshake asks for,
	// if the connection is a loop's: ProtocolConn.Frames.
	CanLoop() bool
	// Moved says that its connection has been replaced by this one, which is no loop's.
	Moved(net.Conn)
	// Refuse answers with a status of HTTP and a line of text. A retryAfter of
	// 0 is not sent.
	Refuse(status int, retryAfter time.Duration, reason string) error
	// Close is for a client that is gone.
	Close() error
}

// ProtocolConn is a client that has its answer: what it says in frames is a stream of
// bytes here. See relay.Framed and relay.Frames for how they are moved.
type ProtocolConn interface {
	net.Conn
	io.WriterTo
	ReadFromOnce(io.Reader) (int64, error)
	CanIdle() bool
	// Frames are for a loop that carries it, if CanLoop; it is called once.
	Frames() relay.Frames
	Moved(net.Conn) // see PendingClient
	// Hold keeps a client alive that still waits, and some of what it sends
	// for the backend. It returns nil when it can do no more and has something
	// for the backend, io.EOF when the client has ended it (or an error that is
	// io.ErrUnexpectedEOF, without a Close frame), and ctx's error.
	Hold(context.Context) error
	// CloseWith closes with a code of RFC 6455, section 7.4, and takes
	// some seconds at most. The client's own code wins, if it was first.
	CloseWith(code int, reason string) error
	CloseCode() int // how it has ended; 0: it has not
	Subprotocol() string
	RTT() time.Duration // of the last ping; 0: none yet
}
