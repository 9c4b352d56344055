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

// An Encoding is the kind of data frames that one side sends. It always receives
// both binary and text frames.
type Encoding string

// The encodings. Base64 is text frames of base64 in both directions. It follows
// from the subprotocol "base64" and cannot be configured otherwise.
const (
	Binary Encoding = "binary" // the default
	Text   Encoding = "text"
	Base64 Encoding = "base64"
)

// negotiated is the result of a handshake.
type negotiated struct {
	subprotocol string
	encoding    Encoding
	deflate     bool
}

// IsHandshake reports whether r asks for a WebSocket and not for a page, or did
// before a proxy removed its Upgrade header, as proxies do unless configured to
// pass it on.
func IsHandshake(r *http.Request) bool {
	return isHandshake(r) || len(r.Header.Values("Sec-WebSocket-Key")) > 0
}

// isHandshake reports whether r asks for a WebSocket, and not for Config.Web.
func isHandshake(r *http.Request) bool {
	return hasToken(r.Header, "Upgrade", "websocket")
}

// wasHandshake reports whether r is a handshake without its Upgrade header, which
// a proxy in front removes unless it is configured to pass it on.
func (l *Listener) wasHandshake(r *http.Request) bool {
	return len(r.Header.Values("Sec-WebSocket-Key")) > 0 && l.onPath(r.URL.Path)
}

// check checks a handshake (RFC 6455, section 4.2.1), before Next returns it. It
// needs only the request and opts, so it is the same in any http.Server.
func (l *Listener) check(r *http.Request, opts HandshakeOptions) *RefusedError {
	refuse := func(kind Refusal, status int, text string, args ...any) *RefusedError {
		return &RefusedError{Kind: kind, Status: status, Reason: fmt.Sprintf(text, args...), Request: r}
	}
	switch {
	case !opts.allowsHost(r):
		return refuse(RefusedHost, http.StatusMisdirectedRequest, "host %s is not served here", quote(opts.requestedHost(r)))
	case !l.onPath(r.URL.Path):
		return refuse(RefusedPath, http.StatusNotFound, "there is no WebSocket at this path")
	case r.Method != http.MethodGet:
		return refuse(RefusedMethod, http.StatusMethodNotAllowed, "a WebSocket handshake is a GET request").with("Allow", "GET")
	case !isHandshake(r):
		return refuse(RefusedUpgrade, http.StatusUpgradeRequired, "this path is a WebSocket: the request has no Upgrade: websocket")
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return refuse(RefusedVersion, http.StatusBadRequest, "a WebSocket handshake needs HTTP/1.1")
	case !hasToken(r.Header, "Connection", "upgrade"):
		return refuse(RefusedUpgrade, http.StatusBadRequest, "the Connection header does not have Upgrade")
	case r.ContentLength != 0:
		return refuse(RefusedMalformed, http.StatusBadRequest, "a WebSocket handshake must not have a body")
	case !slices.Equal(r.Header.Values("Sec-WebSocket-Version"), []string{"13"}):
		return refuse(RefusedVersion, http.StatusUpgradeRequired, "Sec-WebSocket-Version must be 13").with("Sec-WebSocket-Version", "13")
	case !validKey(r.Header.Values("Sec-WebSocket-Key")):
		return refuse(RefusedMalformed, http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64")
	case !l.originAllowed(r, opts):
		return refuse(RefusedOrigin, http.StatusForbidden, "origin %s is not allowed for host %s",
			quote(strings.Join(r.Header.Values("Origin"), ", ")), quote(opts.requestedHost(r)))
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

// authorize asks Config.Authorize about a handshake that is valid otherwise.
func (l *Listener) authorize(r *http.Request) *RefusedError {
	if l.cfg.Authorize == nil {
		return nil
	}
	challenge := l.cfg.Authorize(r)
	if challenge == "" {
		return nil
	}
	bad := &RefusedError{Kind: RefusedAuth, Status: http.StatusUnauthorized, Reason: "the credentials are not known here", Request: r}
	if r.Header.Get("Authorization") == "" && !r.URL.Query().Has("token") {
		bad.Reason = "credentials are needed"
	}
	return bad.with("WWW-Authenticate", challenge)
}

// onPath matches as http.ServeMux does: a Config.Path that ends in a slash
// matches all paths below it.
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

// acceptKey returns the Sec-WebSocket-Accept for a key (RFC 6455, section 1.3).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// originAllowed keeps pages of other sites from connecting through a user's
// browser (RFC 6455, section 10.2). Clients that are not browsers send no
// Origin.
func (l *Listener) originAllowed(r *http.Request, opts HandshakeOptions) bool {
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
		for _, host := range []string{r.Host, opts.requestedHost(r)} {
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

// bareHost removes the default port of the scheme.
func bareHost(host, scheme string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// negotiate chooses the subprotocol, encoding and extensions for a handshake that
// has passed check. Unknown subprotocols are skipped: the client decides whether
// it can do without.
func (l *Listener) negotiate(r *http.Request) (a negotiated, extensions string) {
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

// anySubprotocol in Config.Subprotocols is the first one that is offered.
const anySubprotocol = "*"

// encodingFor lets the client choose with ?encoding=text, as ws-tcp-proxy does.
func (l *Listener) encodingFor(r *http.Request) Encoding {
	if asked := r.URL.Query().Get("encoding"); asked != "" {
		return Encoding(asked)
	}
	return l.cfg.Encoding
}
