package ws

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Dialer connects to WebSocket servers. The zero value is ready for use.
// Several goroutines may use one Dialer as long as its fields do not change.
type Dialer struct {
	// Header is sent with the handshake, in addition to what the handshake
	// itself needs. "Host" in it replaces the host of the URL, and
	// "Authorization" the user information of the URL.
	Header http.Header

	// Subprotocols are offered to the server, the preferred one first. With
	// "base64" agreed, c sends and receives text frames of base64.
	Subprotocols []string

	// NetDial makes the TCP connection, for example through a proxy; the Conn owns
	// it afterwards. nil: a zero net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// TLS is used for wss URLs; nil is a zero tls.Config. An empty ServerName is the
	// host of the URL.
	TLS *tls.Config

	// HandshakeTimeout bounds Dial as a whole. 0: 10 s; negative: only the
	// context bounds it.
	HandshakeTimeout time.Duration

	// MaxHeaderBytes bounds the headers of the server's response. 0: 16 KiB.
	MaxHeaderBytes int

	// The following are as in Config. Encoding is the encoding of frames that the
	// Conn sends; Compression offers permessage-deflate.
	Encoding       Encoding
	ReplaceInvalid bool
	Compression    bool
	MaxInflated    int64
	Ping           time.Duration
	CloseTimeout   time.Duration
}

// maxText is how many bytes of a response HandshakeError.Text may have.
const maxText = 512

// Dial connects with a zero Dialer: see Dialer.Dial.
func Dial(ctx context.Context, rawURL string) (*Conn, error) { return new(Dialer).Dial(ctx, rawURL) }

// A HandshakeError is a server's response that is not the 101 of a WebSocket
// handshake (RFC 6455, section 4.1).
type HandshakeError struct {
	Response *http.Response // its Body is empty
	Reason   string         // what is wrong with the response
	Text     string         // short plain-text body of the response, such as the reason of Pending.Refuse
}

func (e *HandshakeError) Error() string {
	said := ""
	if e.Text != "" {
		said = ": " + quote(e.Text)
	}
	if to, err := e.Response.Location(); err == nil && e.Response.StatusCode/100 == 3 { // without what may have a password or a token
		said = fmt.Sprintf(" and redirects to %s, which is not followed", quote((&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()))
	}
	return fmt.Sprintf("ws: dial: %s (the server answered %s%s)", e.Reason, e.Response.Status, said)
}

// Dial connects to a URL with the scheme ws or wss and performs the handshake.
// The caller owns the Conn. If the server answers with anything else than a
// WebSocket, the error is a *HandshakeError, and the connection is closed. ctx
// and HandshakeTimeout bound Dial itself, not the Conn; the error wraps that of
// the one that has ended. No error has the password of the URL.
func (d *Dialer) Dial(ctx context.Context, rawURL string) (*Conn, error) {
	timeout, maxHeader, encoding := d.HandshakeTimeout, d.MaxHeaderBytes, d.Encoding
	if err := encoding.setDefault(); err != nil {
		return nil, err
	}
	if err := checkSubprotocols(d.Subprotocols); err != nil {
		return nil, err
	}
	if maxHeader <= 0 {
		maxHeader = defaultMaxHeader
	}
	u, addr, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if setDefault(&timeout, defaultHandshakeTimeout); timeout > 0 {
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
	if _, refused := err.(*HandshakeError); !stop() && !refused {
		err = ctx.Err() // rather than the timeout that its end caused
	}
	if err != nil {
		netConnOf(conn).Close()
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

// parseURL parses a WebSocket URL (RFC 6455, section 3) and returns the address
// to dial.
func parseURL(raw string) (u *url.URL, addr string, err error) {
	if u, err = url.Parse(raw); err != nil {
		if bad := new(url.Error); errors.As(err, &bad) {
			err = bad.Err // without the URL, which may have a password
		}
		return nil, "", fmt.Errorf("ws: dial: the URL cannot be parsed: %w", err)
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	switch {
	case port == "":
		return nil, "", fmt.Errorf("ws: dial %q: the scheme is neither ws nor wss", u.Redacted())
	case u.Hostname() == "":
		return nil, "", fmt.Errorf("ws: dial %q: no host", u.Redacted())
	case u.Fragment != "":
		return nil, "", fmt.Errorf("ws: dial %q: a WebSocket URL has no fragment", u.Redacted())
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
	cfg.ServerName = cmp.Or(cfg.ServerName, u.Hostname())
	cfg.NextProtos = []string{"http/1.1"}
	t := tls.Client(&eofConn{Conn: conn}, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

// handshake sends the request and checks the response (RFC 6455, section 4.1).
func (d *Dialer) handshake(conn net.Conn, u *url.URL, maxHeader int) (a negotiated, early []byte, err error) {
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
	for err == nil && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
		resp, err = http.ReadResponse(br, req) // after 100 or 103 (RFC 9110, section 15.2); maxHeader bounds them all
	}
	switch {
	case err == nil:
	case limited.N == 0:
		return a, nil, fmt.Errorf("the headers of the response are longer than %d bytes", maxHeader)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return a, nil, fmt.Errorf("the server ended the connection without a response: %w", err)
	default:
		return a, nil, err
	}
	a, reason := d.checkResponse(resp, key)
	if reason != "" {
		said := shortText(resp)
		resp.Body = http.NoBody
		return a, nil, &HandshakeError{resp, reason, said}
	}
	if n := br.Buffered(); n > 0 {
		early = make([]byte, n)
		br.Read(early)
	}
	return a, early, nil
}

// shortText returns the body of a response if it is short plain text.
func shortText(resp *http.Response) string {
	if n := resp.ContentLength; n <= 0 || n > maxText || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		return ""
	}
	b, _ := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(b))
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
		h.Set("Sec-WebSocket-Extensions", deflateOffer)
	}
	req := &http.Request{Method: http.MethodGet, URL: u, Host: host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if u.User != nil && h.Get("Authorization") == "" {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	return req
}

// checkResponse returns what is wrong with the response, or "".
func (d *Dialer) checkResponse(resp *http.Response, key string) (a negotiated, reason string) {
	h := resp.Header
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols:
		return a, "the server refused the handshake"
	case !hasToken(h, "Upgrade", "websocket"), !hasToken(h, "Connection", "upgrade"):
		return a, "the response does not upgrade to a WebSocket"
	case !slices.Equal(h.Values("Sec-WebSocket-Accept"), []string{acceptKey(key)}):
		return a, "Sec-WebSocket-Accept does not match the key"
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
	case ok && len(extensions) == 1 && d.Compression && extensions[0].name == deflateName && acceptsDeflate(extensions[0]):
		a.deflate = true
	default:
		return a, "the server chose an extension that was not offered"
	}
	return a, ""
}
