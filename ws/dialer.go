package ws

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Dialer connects to WebSocket servers. The zero value is ready for use, and
// a Dialer may be used by many goroutines.
type Dialer struct {
	Header       http.Header // sent with the handshake; "Host" is taken from it too
	Subprotocols []string    // offered, the best first

	// NetDial makes the connection, for example through a proxy. Default:
	// net.Dialer's DialContext.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// TLS is for wss. ServerName defaults to the host.
	TLS *tls.Config

	// HandshakeTimeout bounds everything up to the Conn. Default: 10 s;
	// negative: only the context does.
	HandshakeTimeout time.Duration

	// MaxHeader bounds the answer's headers. Default: 16 KiB.
	MaxHeader int

	// These mean what they mean in Config. Encoding is what we send.
	Encoding       Encoding
	ReplaceInvalid bool
	Compression    bool // offer permessage-deflate
	MaxInflated    int64
	Ping           time.Duration
	CloseTimeout   time.Duration
}

// Dial connects with a zero Dialer.
func Dial(ctx context.Context, rawURL string) (*Conn, error) { return new(Dialer).Dial(ctx, rawURL) }

// A HandshakeError is a server's answer that is not a WebSocket.
type HandshakeError struct {
	Response *http.Response // without its body
	Reason   string
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("ws: dial: %s (the server answered %s)", e.Reason, e.Response.Status)
}

// Dial connects to a URL with the scheme ws or wss. An answer that is none is
// a *HandshakeError. ctx is for the handshake only.
func (d *Dialer) Dial(ctx context.Context, rawURL string) (*Conn, error) {
	timeout, maxHeader, encoding := d.HandshakeTimeout, d.MaxHeader, d.Encoding
	if err := encoding.fill(); err != nil {
		return nil, err
	}
	if maxHeader <= 0 {
		maxHeader = defaultMaxHeader
	}
	u, addr, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if fill(&timeout, defaultHandshakeTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	conn, err := d.connect(ctx, u, addr)
	if err != nil {
		return nil, fmt.Errorf("ws: dial: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	agreed, early, err := d.handshake(conn, u, maxHeader)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		bottomOf(conn).Close()
		if _, ok := err.(*HandshakeError); !ok {
			err = fmt.Errorf("ws: dial: %w", err)
		}
		return nil, err
	}
	if agreed.encoding = encoding; agreed.subprotocol == "base64" {
		agreed.encoding = Base64
	}
	return newConn(conn, early, true, agreed, newSettings(d.Ping, d.CloseTimeout, d.ReplaceInvalid, d.MaxInflated)), nil
}

// parseURL also gives the address to dial (RFC 6455, section 3).
func parseURL(raw string) (u *url.URL, addr string, err error) {
	if u, err = url.Parse(raw); err != nil {
		return nil, "", fmt.Errorf("ws: dial: %w", err)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	switch {
	case port == "":
		return nil, "", fmt.Errorf("ws: dial %q: the scheme is neither ws nor wss", raw)
	case u.Hostname() == "":
		return nil, "", fmt.Errorf("ws: dial %q: no host", raw)
	case u.Fragment != "":
		return nil, "", fmt.Errorf("ws: dial %q: a WebSocket URL has no fragment", raw)
	case u.Port() != "":
		port = u.Port()
	}
	return u, net.JoinHostPort(u.Hostname(), port), nil
}

func (d *Dialer) connect(ctx context.Context, u *url.URL, addr string) (net.Conn, error) {
	dial := d.NetDial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil || u.Scheme == "ws" {
		return conn, err
	}
	cfg := d.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = u.Hostname()
	}
	cfg.NextProtos = []string{"http/1.1"}
	t := tls.Client(&endConn{Conn: conn}, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

// handshake asks, and judges the answer (section 4.1).
func (d *Dialer) handshake(conn net.Conn, u *url.URL, maxHeader int) (a agreement, early []byte, err error) {
	var nonce [16]byte
	rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	req := d.request(u, key)
	if err := req.Write(conn); err != nil {
		return a, nil, err
	}
	limited := &io.LimitedReader{R: conn, N: int64(maxHeader)}
	br := bufio.NewReader(limited)
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		if limited.N == 0 {
			err = fmt.Errorf("the answer's headers are longer than %d bytes", maxHeader)
		}
		return a, nil, err
	}
	a, reason := d.judge(resp, key)
	if reason != "" {
		resp.Body = http.NoBody
		return a, nil, &HandshakeError{resp, reason}
	}
	if n := br.Buffered(); n > 0 {
		early = make([]byte, n)
		br.Read(early)
	}
	return a, early, nil
}

func (d *Dialer) request(u *url.URL, key string) *http.Request {
	h := d.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	host := u.Host
	if other := h.Get("Host"); other != "" {
		host = other
		h.Del("Host")
	}
	h.Set("Upgrade", "websocket")
	h.Set("Connection", "Upgrade")
	h.Set("Sec-WebSocket-Key", key)
	h.Set("Sec-WebSocket-Version", "13")
	if len(d.Subprotocols) > 0 {
		h.Set("Sec-WebSocket-Protocol", strings.Join(d.Subprotocols, ", "))
	}
	if d.Compression {
		h.Set("Sec-WebSocket-Extensions", deflateTerms)
	}
	req := &http.Request{Method: http.MethodGet, URL: u, Host: host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if u.User != nil && h.Get("Authorization") == "" {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	return req
}

// judge returns why the answer does not do, or "".
func (d *Dialer) judge(resp *http.Response, key string) (a agreement, reason string) {
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return a, "the server refuses"
	case !hasToken(h, "Upgrade", "websocket"), !hasToken(h, "Connection", "upgrade"):
		return a, "the answer is no upgrade to a WebSocket"
	case !slices.Equal(h.Values("Sec-WebSocket-Accept"), []string{acceptKey(key)}):
		return a, "the server did not prove that it speaks WebSocket"
	}
	switch p := h.Values("Sec-WebSocket-Protocol"); {
	case len(p) == 1 && slices.Contains(d.Subprotocols, p[0]):
		a.subprotocol = p[0]
	case len(p) != 0:
		return a, "the server chose a subprotocol that was not offered"
	}
	extensions, ok := parseExtensions(h)
	switch {
	case ok && len(extensions) == 0:
	case ok && len(extensions) == 1 && d.Compression && extensions[0].name == deflateName && deflateAgreed(extensions[0]):
		a.deflate = true
	default:
		return a, "the server chose an extension that was not offered"
	}
	return a, ""
}
