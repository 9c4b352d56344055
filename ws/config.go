package ws

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"path"
	"strings"
	"time"
)

// The defaults of Config and Dialer.
const (
	defaultPing             = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultCloseTimeout     = 5 * time.Second
	defaultMaxHeader        = 16 << 10
	defaultMaxInflated      = 64 << 20
)

// A Config is the configuration of a Listener. The zero value accepts every path
// and encoding, same-origin pages only, without TLS and compression.
type Config struct {
	// Path is the path of the WebSocket; other paths get 404. One that ends in
	// a slash includes all paths below it, as in http.ServeMux. "": "/", which
	// is every path.
	Path string

	// Origins are the web origins that may connect besides that of the
	// requested host (RFC 6455, section 10.2): "https://app.example.com", a host
	// alone for both schemes, each with "*" for any text without a slash
	// ("*.example.com"), "*" for all, or "null" for pages without an origin,
	// such as files. Others get 403. Clients without an Origin header are not
	// browsers and are always allowed.
	Origins []string

	// Subprotocols are accepted besides "binary", the preferred one first;
	// "binary" is preferred to all of them. "base64" accepts old clients of
	// websockify with text frames of base64. "*" agrees to the first subprotocol
	// that a client offers, whatever it is, and "binary" has no precedence then.
	Subprotocols []string

	// Encoding is the encoding of frames to clients that do not choose one with
	// ?encoding=: Binary or Text. "": Binary.
	Encoding Encoding

	// ReplaceInvalid sends U+FFFD to a client with Text for each byte that is not
	// UTF-8. Otherwise such a byte closes the connection with 1007.
	ReplaceInvalid bool

	// Authorize checks the password or token in a handshake. It returns "" to allow
	// the client, or the value of the WWW-Authenticate header of a 401 response. It is
	// called once for each otherwise valid handshake, by several goroutines. nil allows
	// all. Requests for Config.Web are not checked.
	Authorize func(*http.Request) (challenge string)

	// Compression accepts permessage-deflate (RFC 7692). It costs more CPU time than
	// everything else, and a read deadline that passes inside a compressed message
	// ends reading for good.
	Compression bool

	// MaxInflated bounds one compressed message when inflated, in bytes; a longer
	// one closes the connection with 1009. 0: 64 MiB; negative: no limit. Other
	// messages are passed on as they arrive and have no limit.
	MaxInflated int64

	// Ping is the interval of pings. A peer that does not answer two in a row is
	// disconnected: see ErrUnresponsive. 0: 30 s; negative: no pings. A shorter
	// interval detects dead peers sooner and wakes mobile clients more often.
	Ping time.Duration

	// HandshakeTimeout bounds each of: the TLS handshake, reading all headers,
	// the wait of a valid handshake for Next, and writing the response. 0: 10 s;
	// negative: no limit.
	HandshakeTimeout time.Duration

	// CloseTimeout bounds Conn.CloseWith. 0: 5 s; negative: it sends its Close
	// frame, if the socket takes that at once, and does not wait for the peer's.
	CloseTimeout time.Duration

	// MaxHeaderBytes bounds the headers of a request, in bytes; longer ones get
	// 431. 0: 16 KiB; the least is 4 KiB. With ServeHTTP in another http.Server,
	// that server's settings apply, as for TLS and HandshakeTimeout.
	MaxHeaderBytes int

	// TLS is used by Listen and Serve. nil: plain TCP.
	TLS *tls.Config

	// Web answers requests that are not handshakes, for example with files
	// (http.FileServerFS). nil: they get 426.
	Web http.Handler

	// WebLimit bounds the connections with requests for Web, except in another
	// http.Server. nil: no limit.
	WebLimit *WebLimit

	// ErrorLog logs invalid requests and failed TLS handshakes, as reported by
	// net/http, and every refused handshake except those that Handshake returns. nil:
	// nothing is logged.
	ErrorLog *log.Logger
}

// setDefaults checks cfg and replaces zero values by their defaults.
func (cfg *Config) setDefaults() error {
	cfg.Path = cmp.Or(cfg.Path, "/")
	if !strings.HasPrefix(cfg.Path, "/") {
		return fmt.Errorf("ws: path %q does not begin with a slash", cfg.Path)
	}
	for _, o := range cfg.Origins {
		if _, err := path.Match(o, ""); err != nil {
			return fmt.Errorf("ws: origin %q: %w", o, err)
		}
	}
	if err := checkSubprotocols(cfg.Subprotocols); err != nil {
		return err
	}
	if err := cfg.Encoding.setDefault(); err != nil {
		return err
	}
	setDefault(&cfg.HandshakeTimeout, defaultHandshakeTimeout)
	cfg.MaxHeaderBytes = cmp.Or(cfg.MaxHeaderBytes, defaultMaxHeader)
	return nil
}

func checkSubprotocols(all []string) error {
	for _, p := range all {
		if !isToken(p) {
			return fmt.Errorf("ws: subprotocol %q is not a token", p)
		}
	}
	return nil
}

func (e *Encoding) setDefault() error {
	switch *e {
	case "":
		*e = Binary
	case Binary, Text:
	default:
		return fmt.Errorf("ws: encoding %q is neither %q nor %q", *e, Binary, Text)
	}
	return nil
}

// setDefault replaces zero by the default, and a negative duration by zero, which
// means "off" inside the package.
func setDefault(d *time.Duration, byDefault time.Duration) {
	*d = cmp.Or(*d, byDefault)
	*d = max(*d, 0)
}

func newSettings(ping, closeTimeout time.Duration, replace bool, maxInflated int64) *settings {
	s := &settings{pingInterval: ping, closeTimeout: closeTimeout, replaceInvalid: replace, maxInflated: maxInflated}
	setDefault(&s.pingInterval, defaultPing)
	setDefault(&s.closeTimeout, defaultCloseTimeout)
	switch {
	case maxInflated == 0:
		s.maxInflated = defaultMaxInflated
	case maxInflated < 0:
		s.maxInflated = 1<<63 - 1
	}
	return s
}
