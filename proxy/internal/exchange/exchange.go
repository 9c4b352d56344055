// Package exchange follows the requests and replies of one session, so that it is
// known when nothing is asked and nothing is owed: only then can the session be
// ended without a failed request. It reads along and changes no byte.
//
// What it cannot be sure of it calls Busy, which costs an operator time, or, where
// it cannot read the session at all, Unknown.
package exchange

import "sync"

// Protocols are the names that New takes.
var Protocols = []string{"postgres", "redis"}

// State is what is known of a session at a moment.
type State uint8

const (
	Busy    State = iota // a request has no reply yet, or the session must not be ended
	Idle                 // each request has its reply, and none has begun
	Unknown              // it cannot be read: it is encrypted, or speaks something else
)

func (s State) String() string { return [...]string{"busy", "idle", "unknown"}[s] }

// parser reads one protocol. It is not safe for concurrent use.
type parser interface {
	client(b []byte)
	backend(b []byte)
	idle() bool
	unreadable() string // why the session cannot be read; "": it can
}

// Watch follows one session from its first byte on. It is safe for concurrent use.
type Watch struct {
	mu     sync.Mutex
	parser parser
	why    string // why the session is Unknown
}

// New begins to follow a session of a protocol, which is one of Protocols.
func New(protocol string) *Watch {
	if protocol == "redis" {
		return &Watch{parser: &redis{}}
	}
	return &Watch{parser: &postgres{}}
}

// Client takes the next bytes that the client has sent.
func (w *Watch) Client(b []byte) { w.take(b, parser.client) }

// Backend takes the next bytes that the backend has sent.
func (w *Watch) Backend(b []byte) { w.take(b, parser.backend) }

func (w *Watch) take(b []byte, by func(parser, []byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.parser == nil {
		return
	}
	by(w.parser, b)
	if w.why = w.parser.unreadable(); w.why != "" {
		w.parser = nil // it will never be readable
	}
}

// Lost says that bytes of the session were missed: it is Unknown from now on.
func (w *Watch) Lost() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parser, w.why = nil, missed
}

// State is what is known now; why is for people, of Unknown.
func (w *Watch) State() (s State, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.parser == nil:
		return Unknown, w.why
	case w.parser.idle():
		return Idle, ""
	}
	return Busy, ""
}

// Why a session cannot be read.
const (
	encrypted = "it is encrypted"
	foreign   = "it does not speak the protocol"
	missed    = "its reader has failed"
)

// tlsHandshake is the first byte of a TLS record that begins a handshake.
const tlsHandshake = 0x16
