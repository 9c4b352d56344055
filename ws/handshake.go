package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
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

// isHandshake tells a WebSocket request from one for a file.
func isHandshake(r *http.Request) bool {
	return hasToken(r.Header, "Upgrade", "websocket")
}

// wasHandshake says that a request lacks the Upgrade that it had: a proxy in
// front takes it out unless it is told to pass it on.
func (l *Listener) wasHandshake(r *http.Request) bool {
	return len(r.Header.Values("Sec-WebSocket-Key")) > 0 && l.onPath(r.URL.Path)
}

// check judges a handshake (RFC 6455, section 4.2.1) before it is shown to
// anybody. Everything it asks for is in the request and in from, so it is the
// same under any server.
func (l *Listener) check(r *http.Request, from Origin) *RefusedError {
	refuse := func(kind Refusal, status int, text string, args ...any) *RefusedError {
		return &RefusedError{Kind: kind, Status: status, Reason: fmt.Sprintf(text, args...), Request: r}
	}
	switch {
	case !from.allows(r):
		return refuse(RefusedHost, http.StatusMisdirectedRequest, "host %s is not served here", quote(from.host(r)))
	case !l.onPath(r.URL.Path):
		return refuse(RefusedPath, http.StatusNotFound, "no WebSocket here")
	case r.Method != http.MethodGet:
		return refuse(RefusedMethod, http.StatusMethodNotAllowed, "a handshake is a GET").with("Allow", "GET")
	case !isHandshake(r):
		return refuse(RefusedUpgrade, http.StatusUpgradeRequired, "this is a WebSocket")
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(RefusedVersion, http.StatusBadRequest, "a handshake is HTTP/1.1")
	case !hasToken(r.Header, "Connection", "upgrade"):
		return refuse(RefusedUpgrade, http.StatusBadRequest, "Connection must say Upgrade")
	case r.ContentLength != 0:
		return refuse(RefusedMalformed, http.StatusBadRequest, "a handshake has no body")
	case !slices.Equal(r.Header.Values("Sec-WebSocket-Version"), []string{"13"}):
		return refuse(RefusedVersion, http.StatusUpgradeRequired, "only version 13").with("Sec-WebSocket-Version", "13")
	case !validKey(r.Header.Values("Sec-WebSocket-Key")):
		return refuse(RefusedMalformed, http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64")
	case !l.originAllowed(r, from):
		return refuse(RefusedOrigin, http.StatusForbidden, "origin %s is not allowed for host %s",
			quote(strings.Join(r.Header.Values("Origin"), ", ")), quote(from.host(r)))
	}
	for _, p := range list(r.Header, "Sec-WebSocket-Protocol") {
		if !isToken(p) {
			return refuse(RefusedSubprotocol, http.StatusBadRequest, "Sec-WebSocket-Protocol is not a list of tokens")
		}
	}
	if asked := r.URL.Query().Get("encoding"); asked != "" && Encoding(asked) != Binary && Encoding(asked) != Text {
		return refuse(RefusedEncoding, http.StatusBadRequest, "encoding %s is not known; it is binary or text", quote(asked))
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
func (l *Listener) originAllowed(r *http.Request, from Origin) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin := strings.ToLower(origins[0])
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" {
		for _, host := range []string{r.Host, from.host(r)} {
			if bareHost(u.Host, u.Scheme) == bareHost(strings.ToLower(host), u.Scheme) {
				return true
			}
		}
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
	a.subprotocol = l.chooseSubprotocol(list(r.Header, "Sec-WebSocket-Protocol"))
	a.encoding = l.encodingFor(r)
	if l.cfg.Compression {
		if offers, ok := parseExtensions(r.Header); ok {
			extensions = agreeDeflate(offers)
			a.deflate = extensions != ""
		}
	}
	return a, extensions
}

func (l *Listener) chooseSubprotocol(offered []string) string {
	if len(offered) == 0 {
		return ""
	}
	known := l.cfg.Subprotocols
	if !slices.Contains(known, anySubprotocol) {
		known = append([]string{"binary"}, known...)
	}
	for _, name := range known {
		switch {
		case name == anySubprotocol:
			return offered[0]
		case slices.Contains(offered, name):
			return name
		}
	}
	return ""
}

// anySubprotocol in Config.Subprotocols is whatever is offered first.
const anySubprotocol = "*"

// encodingFor gives the client the word, as ws-tcp-proxy did: ?encoding=text.
func (l *Listener) encodingFor(r *http.Request) Encoding {
	if asked := r.URL.Query().Get("encoding"); asked != "" {
		return Encoding(asked)
	}
	return l.cfg.Encoding
}
