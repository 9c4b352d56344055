// Package health checks whether a backend serves: one check, the loop that
// repeats it, and the state that follows from the results.
package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/abort"
)

// Types of checks.
const (
	TCP     = "tcp"         // the backend accepts a connection
	HTTP    = "http"        // the backend answers a request with the expected status
	Talk    = "send-expect" // the backend answers Send with Want
	Passive = "passive"     // as TCP, but only after clients failed to connect
	None    = "none"        // no checks; the backend is always up
)

// Check is one way to check a backend. The zero value connects by TCP.
type Check struct {
	Type    string        // "" is TCP
	Network string        // "" is tcp
	Addr    string        // host:port, or a path for unix
	Timeout time.Duration // time limit of the whole check; 0: DefaultTimeout
	Path    string        // HTTP; "" is "/"
	Method  string        // HTTP; "" is GET
	Host    string        // for HTTP and SNI; "" is Addr, or localhost for unix
	Expect  int           // HTTP; 0 is 200
	// TLS is used from the start. The certificate is not verified: a check tests
	// whether a backend answers, not which backend it is.
	TLS  bool
	Send string // Talk: bytes to send; "": the backend speaks first
	Want string // Talk: bytes that the reply must contain
	// Polite closes the connection with a FIN and waits a moment for the backend to
	// notice, for services that accept few connections at a time. Otherwise the
	// connection is reset, which leaves no state on either side.
	Polite bool
	// First is sent before everything else, including TLS: the PROXY header of a
	// backend that expects one.
	First []byte
	// Dial connects as sessions of the backend do; nil: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Quiet means that the backend's accept never returns a connection of Dial that
	// is reset at once: nothing is sent over it, and Polite has no effect. For TCP
	// and Passive only.
	Quiet bool
}

// Result is the result of one check.
type Result struct {
	OK     bool
	Detail string        // for people: "connected in 0.4ms", "connection refused"
	RTT    time.Duration // connect time, if the connect succeeded
	Err    error         // error of the system, if there was one; may be a lack of this process (relay.LackOf)
}

func failed(err error) Result { return Result{Detail: Explain(err), Err: err} }

// DefaultTimeout is the time limit of a check without a Timeout.
const DefaultTimeout = 4 * time.Second

// politeness is how long a polite check waits for the backend to close.
const politeness = 200 * time.Millisecond

// Run checks once. It never takes longer than the timeout.
func (c Check) Run(ctx context.Context) Result {
	if c.Type == None {
		return Result{OK: true, Detail: "not checked"}
	}
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	network, dial := c.Network, c.Dial
	network = cmp.Or(network, "tcp")
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	began := time.Now()
	conn, err := dial(ctx, network, c.Addr)
	if err != nil {
		return failed(err)
	}
	rtt := time.Since(began)
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	over, err := c.begin(ctx, conn)
	if err != nil {
		conn.Close()
		return failed(err)
	}
	switch c.Type {
	case HTTP:
		return c.http(ctx, over, rtt)
	case Talk:
		return c.sendExpect(over, rtt)
	}
	c.hangUp(over)
	return Result{OK: true, Detail: fmt.Sprintf("connected in %.1fms", float64(rtt.Microseconds())/1000), RTT: rtt}
}

// begin sends what a session sends before its client's bytes.
func (c Check) begin(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if c.Quiet {
		return conn, nil
	}
	if len(c.First) > 0 {
		if _, err := conn.Write(c.First); err != nil {
			return conn, err
		}
	}
	if !c.TLS {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: nameOf(c.host()), InsecureSkipVerify: true})
	return secure, secure.HandshakeContext(ctx)
}

func (c Check) hangUp(conn net.Conn) {
	if !c.Polite || c.Quiet {
		abort.Close(conn)
		return
	}
	defer conn.Close()
	if h, ok := conn.(interface{ CloseWrite() error }); ok && h.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(politeness))
		io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
	}
}

// host is the host name that the check requests.
func (c Check) host() string {
	switch {
	case c.Host != "":
		return c.Host
	case c.Network == "unix":
		return "localhost" // a path is not a name
	}
	return c.Addr
}

// nameOf returns a host without its port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// http sends a request over the established connection. It follows no redirect: 301 is
// an answer like any other.
func (c Check) http(ctx context.Context, conn net.Conn, rtt time.Duration) Result {
	defer conn.Close()
	method, path, expect := c.Method, c.Path, c.Expect
	method = cmp.Or(method, http.MethodGet)
	path = cmp.Or(path, "/")
	expect = cmp.Or(expect, http.StatusOK)
	tr := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 16 << 10,
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://check"+path, nil)
	if err != nil {
		return failed(err)
	}
	req.Host = c.host()
	req.Header.Set("User-Agent", "tcpctl-check")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return failed(err)
	}
	resp.Body.Close()
	if resp.StatusCode != expect {
		return Result{Detail: "http " + strconv.Itoa(resp.StatusCode) + ", wants " + strconv.Itoa(expect)}
	}
	return Result{OK: true, Detail: "http " + strconv.Itoa(resp.StatusCode), RTT: rtt}
}
