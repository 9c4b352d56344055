package ws

import (
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"path"
	"strings"
	"time"
)

// What zero means in a Config and a Dialer.
const (
	defaultPing             = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultCloseTimeout     = 5 * time.Second
	defaultMaxHeader        = 16 << 10
	defaultMaxInflated      = 64 << 20
)

// A Config is how a Listener deals with its clients. The zero value is ready
// for use.
type Config struct {
	// Path is where the WebSocket is. One that ends in a slash stands for all
	// below it, as in http.ServeMux. Default: "/", which is everywhere.
	Path string

	// Origins are web origins that may connect besides the host that was
	// asked for: "https://app.example.com", or a host alone for both schemes,
	// with "*" for a part between dots and slashes ("*.example.com"), or "*"
	// for all. "null" is what pages in files and sandboxes send. Clients that
	// send no Origin are no browsers and always allowed.
	Origins []string

	// Subprotocols are those that are known besides "binary", the best first.
	// "binary" is taken where it is offered. "base64" here lets old clients
	// have text frames of base64. "*" is whatever a client offers first, and
	// then "binary" has no precedence.
	Subprotocols []string

	// Encoding is Binary or Text: the frames that clients get who do not ask
	// by ?encoding=. Default: Binary.
	Encoding Encoding

	// ReplaceInvalid has U+FFFD sent to a client with Text for each byte that
	// is not UTF-8. Without it such a stream ends with 1007.
	ReplaceInvalid bool

	// Compression agrees to permessage-deflate where it is offered. It costs
	// more cpu than all the rest, and a deadline that passes inside a
	// compressed message ends reading.
	Compression bool

	// MaxInflated bounds the bytes that one compressed message becomes; more
	// is 1009. Default: 64 MiB; negative: no limit. Other messages are passed
	// on as they come and need none.
	MaxInflated int64

	// Ping is the interval of pings; after two without a sign of life the
	// connection is closed. Default: 30 s; negative: off. Shorter finds the
	// dead sooner and wakes phones more often.
	Ping time.Duration

	// HandshakeTimeout is how long TLS may take, how long the headers may
	// take as a whole, how long a complete handshake waits for Next, and how
	// long its answer takes. Default: 10 s; negative: no limit.
	HandshakeTimeout time.Duration

	// CloseTimeout bounds CloseWith. Default: 5 s.
	CloseTimeout time.Duration

	// MaxHeader bounds the request's headers, in bytes; more is 431. Default:
	// 16 KiB; not less than 4 KiB. In a server of the program's own it is
	// that server's matter, as are TLS and the time for the headers.
	MaxHeader int

	// TLS is for Listen and Serve; nil is plain TCP.
	TLS *tls.Config

	// Web answers requests that are no handshakes, such as for static files
	// (http.FileServerFS). Default: 426.
	Web http.Handler

	// WebLimit bounds the connections that Web has, except in a server of the
	// program's own. Default: no limit.
	WebLimit *WebLimit

	// ErrorLog gets what net/http has to say of bad clients and failed TLS, and
	// each handshake that was refused, except those that Handshake returns.
	// Default: nobody.
	ErrorLog *log.Logger
}

// fill puts in the defaults.
func (cfg *Config) fill() error {
	if cfg.Path == "" {
		cfg.Path = "/"
	}
	if !strings.HasPrefix(cfg.Path, "/") {
		return fmt.Errorf("ws: path %q does not begin with a slash", cfg.Path)
	}
	for _, o := range cfg.Origins {
		if _, err := path.Match(o, ""); err != nil {
			return fmt.Errorf("ws: origin %q: %w", o, err)
		}
	}
	for _, p := range cfg.Subprotocols {
		if !isToken(p) {
			return fmt.Errorf("ws: subprotocol %q is not a token", p)
		}
	}
	if err := cfg.Encoding.fill(); err != nil {
		return err
	}
	fill(&cfg.HandshakeTimeout, defaultHandshakeTimeout)
	if cfg.MaxHeader == 0 {
		cfg.MaxHeader = defaultMaxHeader
	}
	return nil
}

func (e *Encoding) fill() error {
	switch *e {
	case "":
		*e = Binary
	case Binary, Text:
	default:
		return fmt.Errorf("ws: encoding %q is neither %q nor %q", *e, Binary, Text)
	}
	return nil
}

// fill makes zero the default and negative zero, which is "off" inside.
func fill(d *time.Duration, byDefault time.Duration) {
	if *d == 0 {
		*d = byDefault
	}
	*d = max(*d, 0)
}

func newSettings(ping, closeTimeout time.Duration, replace bool, maxInflated int64) *settings {
	s := &settings{ping: ping, closeTimeout: closeTimeout, replace: replace, maxInflated: maxInflated}
	fill(&s.ping, defaultPing)
	fill(&s.closeTimeout, defaultCloseTimeout)
	switch {
	case maxInflated == 0:
		s.maxInflated = defaultMaxInflated
	case maxInflated < 0:
		s.maxInflated = 1<<63 - 1
	}
	return s
}
