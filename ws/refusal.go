package ws

import (
	"fmt"
	"net/http"
	"strconv"
)

// Refusal is the kind of reason for which a handshake was refused, in one word.
type Refusal string

// The kinds of refusal.
const (
	RefusedHost        Refusal = "host"        // the requested host is not served
	RefusedPath        Refusal = "path"        // not Config.Path
	RefusedOrigin      Refusal = "origin"      // the Origin is not allowed
	RefusedAuth        Refusal = "auth"        // Config.Authorize does not allow it
	RefusedMethod      Refusal = "method"      // not GET
	RefusedUpgrade     Refusal = "upgrade"     // no Upgrade header: not a WebSocket client, or a proxy in front has removed it
	RefusedVersion     Refusal = "version"     // the version of HTTP or WebSocket is not supported
	RefusedSubprotocol Refusal = "subprotocol" // Sec-WebSocket-Protocol is not a list of tokens
	RefusedEncoding    Refusal = "encoding"    // ?encoding= is unknown
	RefusedMalformed   Refusal = "malformed"   // not HTTP, no valid key, or headers that are too long
)

// RefusedError is a handshake that the Listener refused. The response was sent,
// and the connection is closed.
type RefusedError struct {
	Kind    Refusal
	Status  int           // HTTP status of the response
	Reason  string        // text of the response; parts of the request in it are quoted and shortened
	Request *http.Request // nil if none could be parsed

	header [2]string // name and value of an additional header, or empty
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

// write sends the response. The connection is not kept alive, so that one refusal
// is one connection for Handshake.
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

// maxQuoted bounds how much of a client's text is quoted, in bytes.
const maxQuoted = 200

// quote quotes a client's text for logs and terminals, and shortens it.
func quote(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "..."
	}
	return strconv.QuoteToASCII(s)
}
