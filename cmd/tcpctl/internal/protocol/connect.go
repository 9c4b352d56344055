package protocol

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// Connect is how TCP clients are brought to a service through a WebSocket, which
// may lead through HTTP proxies: another tcpctl's, or any bridge's.
type Connect struct {
	URL       string // ws:// or wss://, with the path; a name and a password before the host are sent as Basic
	TokenFile string // its first line is sent as Authorization: Bearer; read for each connection. "": none is sent
	CA        string // file of the CAs that may have signed the server's certificate, in PEM; "": the system's
	Name      string // that the certificate must be for; "": the host of the URL
	Insecure  bool   // the certificate is not verified
	Ping      time.Duration
}

// connectTimeout is how long a connection may take with all its handshakes: the
// other end may hold its client for ten seconds before it answers.
const connectTimeout = 30 * time.Second

// Apply makes the WebSocket the backend of a service.
func (k Connect) Apply(c *proxy.ServiceConfig) error {
	u, err := url.Parse(k.URL)
	if err != nil || u.Hostname() == "" || u.Fragment != "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return errors.New("--connect: it is no URL of a WebSocket; write ws://HOST[:PORT]/PATH or wss://…") // and is not repeated: it may have a secret
	}
	d := &ws.Dialer{HandshakeTimeout: -1, Subprotocols: []string{"binary"}, Ping: orOff(k.Ping)}
	if d.TLS, err = k.tls(); err != nil {
		return err
	}
	if _, err := k.header(); err != nil {
		return err
	}
	port := cmp.Or(u.Port(), map[string]string{"ws": "80", "wss": "443"}[u.Scheme])
	addr := net.JoinHostPort(u.Hostname(), port)
	c.Backends = []proxy.BackendConfig{{Name: addr, Addr: addr}}
	c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		header, err := k.header()
		if err != nil {
			return nil, err
		}
		one := *d
		one.Header = header
		conn, err := one.Dial(ctx, k.URL)
		if err != nil {
			return nil, err
		}
		return connected{conn}, nil
	}
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, connectTimeout)
	return nil
}

func (k Connect) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: k.Name, InsecureSkipVerify: k.Insecure}
	if k.CA == "" {
		return c, nil
	}
	text, err := fileerror.Read(k.CA, maxFile)
	if err != nil {
		return nil, err
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, noCertificate(k.CA)
	}
	return c, nil
}

func (k Connect) header() (http.Header, error) {
	h := http.Header{"User-Agent": {"tcpctl"}}
	if k.TokenFile == "" {
		return h, nil
	}
	text, err := fileerror.Read(k.TokenFile, maxFile)
	if err != nil {
		return nil, err
	}
	token, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if token = strings.TrimSpace(token); token == "" {
		return nil, &fileerror.Error{File: k.TokenFile, Text: "it has no token", Hint: "write it into the first line"}
	}
	h.Set("Authorization", "Bearer "+token)
	return h, nil
}

// connected is a WebSocket as a backend's connection.
type connected struct{ *ws.Conn }

// WriteTo is ws.Conn's. Its error resets the client where the stream is certainly not complete: the other end has said so by its Close
// code (1011: its backend reset it, 1013: it never had one), or ended inside a message. 1001 is orderly: it is also how a drain
// ends quiet sessions.
func (c connected) WriteTo(dst io.Writer) (int64, error) {
	n, err := c.Conn.WriteTo(dst)
	if errors.Is(err, ws.ErrTruncated) {
		return n, &proxy.EndError{Reason: proxy.ReasonTruncated, Err: errors.New(err.Error())} // no io.ErrUnexpectedEOF, which is a FIN to the relay
	}
	if end := c.CloseError(); err == nil && end.Code > ws.GoingAway && end.Code < 3000 && end.Code != ws.NoStatus {
		err = &proxy.EndError{Reason: proxy.ReasonReset, Err: fmt.Errorf("the other end closed with %d, %s", end.Code, quote(end.Reason))}
	}
	return n, endError(err)
}

// CloseWrite brings the end of the client's stream to the other end.
func (c connected) CloseWrite() error {
	c.EndStream()
	return nil
}
