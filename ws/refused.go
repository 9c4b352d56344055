package ws

import (
	"fmt"
	"net/http"
	"strconv"
)

// A Refusal is one word for why a handshake was refused.
type Refusal string

// The refusals.
const (
	RefusedHost        Refusal = "host"        // the name that it asks for is not served
	RefusedPath        Refusal = "path"        // the WebSocket is elsewhere
	RefusedOrigin      Refusal = "origin"      // a web page of another site, or of none
	RefusedMethod      Refusal = "method"      // no GET
	RefusedUpgrade     Refusal = "upgrade"     // no Upgrade: a page was asked for, or a proxy in front took it out
	RefusedVersion     Refusal = "version"     // of HTTP, or of the WebSocket protocol
	RefusedSubprotocol Refusal = "subprotocol" // the offer is not a list of names
	RefusedEncoding    Refusal = "encoding"    // ?encoding= asks for one that there is not
	RefusedMalformed   Refusal = "malformed"   // no HTTP, or a key that is none, or headers that are too long
)

// A RefusedError is a handshake that was answered with an error of HTTP. The
// client has had its answer, and the connection is closed.
type RefusedError struct {
	Kind    Refusal
	Status  int           // of HTTP
	Reason  string        // what the client was told; strangers' words in it are quoted and short
	Request *http.Request // nil where none could be read

	header [2]string // name and value, if there is one to add to the answer
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("ws: handshake refused with %d: %s", e.Status, e.Reason)
}

// Unwrap returns ErrNoHandshake.
func (e *RefusedError) Unwrap() error { return ErrNoHandshake }

func (e *RefusedError) with(name, value string) *RefusedError {
	e.header = [2]string{name, value}
	return e
}

// write answers. The connection is not kept: a client that was refused has
// come once, and is told of once.
func (e *RefusedError) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Connection", "close")
	if e.header[0] != "" {
		h.Set(e.header[0], e.header[1])
	}
	if e.Status == http.StatusUpgradeRequired { // RFC 9110, section 15.5.22
		h.Add("Connection", "Upgrade")
		h.Set("Upgrade", "websocket")
	}
	http.Error(w, e.Reason, e.Status)
}

// quoteMost bounds what is repeated of a stranger's words.
const quoteMost = 200

// quote makes a stranger's words harmless and short.
func quote(s string) string {
	if len(s) > quoteMost {
		s = s[:quoteMost] + "..."
	}
	return strconv.QuoteToASCII(s)
}
