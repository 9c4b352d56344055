package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// headed is a listener that expects a header before everything else, and returns the
// connection without it.
type headed struct {
	net.Listener
	header string
}

func (h headed) Accept() (net.Conn, error) {
	for {
		c, err := h.Listener.Accept()
		if err != nil {
			return nil, err
		}
		got := make([]byte, len(h.header))
		if _, err := io.ReadFull(c, got); err == nil && string(got) == h.header {
			return c, nil
		}
		c.Close()
	}
}

// TestACheckBeginsAsASessionDoes: its PROXY header, then TLS, then the rest.
func TestACheckBeginsAsASessionDoes(t *testing.T) {
	const header = "PROXY UNKNOWN\r\n"
	for _, secure := range []bool{false, true} {
		var asked http.Request
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = *r }))
		srv.Listener = headed{srv.Listener, header}
		if srv.Start(); secure {
			srv.Close()
			srv = httptest.NewUnstartedServer(srv.Config.Handler)
			srv.Listener = headed{srv.Listener, header}
			srv.StartTLS()
		}
		c := Check{Type: HTTP, Addr: srv.Listener.Addr().String(), TLS: secure, First: []byte(header), Host: "db.internal", Timeout: patience}
		if r := c.Run(context.Background()); !r.OK || asked.Host != "db.internal" || secure && asked.TLS.ServerName != "db.internal" {
			t.Errorf("TLS %v: %+v, asked %+v", secure, r, asked)
		}
		c.First = nil
		if r := c.Run(context.Background()); r.OK {
			t.Errorf("TLS %v: without a header: %+v", secure, r)
		}
		srv.Close()
	}
}

// TestTLSWithoutHTTP: a check that connects, or talks, may do it over TLS, too.
func TestTLSWithoutHTTP(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	var name string
	c := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		name = h.ServerName
		return srv.TLS, nil
	}}
	addr := proxytest.Serve(t, func(plain net.Conn) {
		c := tls.Server(plain, c)
		io.WriteString(c, "220 mail\r\n")
		bufio.NewReader(c).ReadString('\n')
		c.Close()
	})
	for _, kind := range []string{TCP, Talk} {
		name = ""
		c := Check{Type: kind, Addr: addr, TLS: true, Host: "mail.internal", Want: "220 ", Timeout: patience}
		if r := c.Run(context.Background()); !r.OK || name != "mail.internal" {
			t.Errorf("%s: %+v, requested name %q", kind, r, name)
		}
	}
	plain := proxytest.Serve(t, func(c net.Conn) { io.WriteString(c, "220 mail, and no TLS\r\n") })
	if r := (Check{TLS: true, Addr: plain, Timeout: patience}).Run(context.Background()); r.OK {
		t.Errorf("TLS to a server without TLS: %+v", r)
	}
}

// TestHostOfAUnixSocket: a server would not accept its path as a name.
func TestHostOfAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	host := ""
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { host = r.Host }))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	defer srv.Close()
	c := Check{Type: HTTP, Network: "unix", Addr: path, Timeout: patience}
	if r := c.Run(context.Background()); !r.OK || host != "localhost" {
		t.Errorf("%+v, requested host %q", r, host)
	}
}

// TestACheckEndsWithItsContext, whatever the backend does.
func TestACheckEndsWithItsContext(t *testing.T) {
	ln := proxytest.Listen(t)
	for _, c := range []Check{{Type: Talk, Want: "x"}, {Type: HTTP}, {TLS: true}} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(20*time.Millisecond, cancel)
		c.Addr, c.Timeout = ln.Addr().String(), time.Hour
		if r := c.Run(ctx); r.OK || r.Err == nil || strings.Contains(r.Detail, "refused") {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}
