package proxy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"
)

// Protocol is what the clients of a service speak around their bytes, such as
// WebSocket: a handshake that is answered once there is a backend, frames, and
// a word at the end. The engine knows no more of it than this, so that such a
// client is queued, balanced, drained, paused and kicked like any other.
type Protocol interface {
	// Name is what a session's Via shows.
	Name() string
	// Greet waits for the handshake on a connection, plain TCP or TLS, which
	// it owns from now on. It must have an end of its own. An error is for a
	// client that brought none, or has been refused already.
	Greet(net.Conn) (Guest, error)
	// HoldAfter is how long a client waits for the answer to its handshake.
	// One that still waits then gets it, and is held by its Line.
	HoldAfter() time.Duration
	// KeepAlive says whether connections may stay open on which there was no
	// handshake but something else, like a file. It is on at first; off means
	// that the service is closed, and that those which are idle end now.
	KeepAlive(on bool)
	// Same says whether other does what this one does: then a reload keeps it.
	Same(other Protocol) bool
	// Close is called once, when there will be no more calls of Greet. Those
	// under way, guests and lines go on.
	Close()
}

// Guest is a client whose handshake has come and has not been answered. It is
// ended by one of Accept, Refuse and Close.
type Guest interface {
	// NetConn is the TCP connection, to be watched and not read.
	NetConn() net.Conn
	// Forwarded are the addresses that proxies have named, the nearest last.
	Forwarded() []netip.Addr
	Accept() (Line, error)
	// Refuse answers with a status of HTTP and a line of text. A retryAfter of
	// 0 is not told.
	Refuse(status int, retryAfter time.Duration, reason string) error
	// Close is for a client that has left.
	Close() error
}

// Line is a client that has its answer: what it says in frames is a stream of
// bytes here. See relay.Framed for how they are moved.
type Line interface {
	net.Conn
	io.WriterTo
	ReadFromOnce(io.Reader) (int64, error)
	CanPark() bool
	// Hold keeps a client alive that still waits, and some of what it sends
	// for the backend. It returns nil when it can do no more, io.EOF when the
	// client has ended it, and ctx's error.
	Hold(context.Context) error
	// CloseWith says goodbye with a code of RFC 6455, section 7.4, and takes
	// some seconds at most. The client's own code wins, if it was first.
	CloseWith(code int, reason string) error
	CloseCode() int // how it has ended; 0: it has not
	Subprotocol() string
	RTT() time.Duration // of the last ping; 0: none yet
}
