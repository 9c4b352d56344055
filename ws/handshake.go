package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// An Encoding is what the data frames are that one side sends. What it
// receives may be any of binary and text, always.
type Encoding string

// The encodings. Base64 is text frames of base64, for clients that ask for the
// subprotocol of that name; it is not configured otherwise.
const (
	Binary Encoding = "binary" // the default
	Text   Encoding = "text"
	Base64 Encoding = "base64"
)

// agreement is what a handshake comes to.
type agreement struct {
	subprotocol string
	encoding    Encoding
	deflate     bool
}

// A refusal is the answer to a handshake that is none, or may not be.
type refusal struct {
	status int
	reason string
	header [2]string // name and value, if there is one to add
}

// isHandshake tells a WebSocket request from one for a file.
func isHandshake(r *http.Request) bool {
	return hasToken(r.Header, "Upgrade", "websocket")
}

// check judges a handshake (RFC 6455, section 4.2.1) before it is shown to
// anybody. Everything it asks for is in the request, so it is the same under
// any server.
func (l *Listener) check(r *http.Request) *refusal {
	switch {
	case !l.onPath(r.URL.Path):
		return &refusal{status: http.StatusNotFound, reason: "no WebSocket here"}
	case r.Method != http.MethodGet:
		return &refusal{http.StatusMethodNotAllowed, "a handshake is a GET", [2]string{"Allow", "GET"}}
	case !isHandshake(r):
		return &refusal{status: http.StatusUpgradeRequired, reason: "this is a WebSocket"}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return &refusal{status: http.StatusBadRequest, reason: "a handshake is HTTP/1.1"}
	case !hasToken(r.Header, "Connection", "upgrade"):
		return &refusal{status: http.StatusBadRequest, reason: "Connection must say Upgrade"}
	case r.ContentLength != 0:
		return &refusal{status: http.StatusBadRequest, reason: "a handshake has no body"}
	case !slices.Equal(r.Header.Values("Sec-WebSocket-Version"), []string{"13"}):
		return &refusal{http.StatusUpgradeRequired, "only version 13", [2]string{"Sec-WebSocket-Version", "13"}}
	case !validKey(r.Header.Values("Sec-WebSocket-Key")):
		return &refusal{status: http.StatusBadRequest, reason: "Sec-WebSocket-Key must be 16 bytes in base64"}
	case !l.originAllowed(r):
		return &refusal{status: http.StatusForbidden, reason: "this origin is not allowed"}
	}
	for _, p := range list(r.Header, "Sec-WebSocket-Protocol") {
		if !isToken(p) {
			return &refusal{status: http.StatusBadRequest, reason: "Sec-WebSocket-Protocol is not a list of tokens"}
		}
	}
	return nil
}

// onPath compares as http.ServeMux does: a path that ends in a slash stands
// for all below it.
func (l *Listener) onPath(p string) bool {
	if strings.HasSuffix(l.cfg.Path, "/") {
		return strings.HasPrefix(p, l.cfg.Path)
	}
	return p == l.cfg.Path
}

func validKey(keys []string) bool {
	if len(keys) != 1 || len(keys[0]) != 24 {
		return false
	}
	b, err := base64.StdEncoding.DecodeString(keys[0])
	return err == nil && len(b) == 16
}

// acceptKey is the proof that a server has read the key (section 1.3).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// originAllowed keeps the pages of other sites from using a visitor's browser
// to come in. Programs that are no browsers send no Origin.
func (l *Listener) originAllowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin := strings.ToLower(origins[0])
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" && bareHost(u.Host, u.Scheme) == bareHost(strings.ToLower(r.Host), u.Scheme) {
		return true
	}
	for _, allowed := range l.cfg.Origins {
		allowed = strings.ToLower(allowed)
		subject := origin
		if allowed != "*" && allowed != "null" && !strings.Contains(allowed, "://") {
			if err != nil {
				continue
			}
			subject = u.Host
		}
		if ok, _ := path.Match(allowed, subject); ok || allowed == "*" {
			return true
		}
	}
	return false
}

// bareHost leaves out the port that the scheme implies.
func bareHost(host, scheme string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// agree chooses for a handshake that has passed check. A subprotocol that is
// not known is skipped: a client may well do without.
func (l *Listener) agree(r *http.Request) (a agreement, extensions string) {
	offered := list(r.Header, "Sec-WebSocket-Protocol")
	for _, known := range append([]string{"binary"}, l.cfg.Subprotocols...) {
		if slices.Contains(offered, known) {
			a.subprotocol = known
			break
		}
	}
	a.encoding = l.encodingFor(r)
	if l.cfg.Compression {
		if offers, ok := parseExtensions(r.Header); ok {
			extensions = agreeDeflate(offers)
			a.deflate = extensions != ""
		}
	}
	return a, extensions
}

// encodingFor gives the client the word, as ws-tcp-proxy did: ?encoding=text.
func (l *Listener) encodingFor(r *http.Request) Encoding {
	switch asked := Encoding(r.URL.Query().Get("encoding")); asked {
	case Binary, Text:
		return asked
	}
	return l.cfg.Encoding
}
