// Package health checks whether a backend serves: one check, the loop that
// repeats it, and the state that follows from the results.
package health

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"
)

// Types of checks.
const (
	TCP     = "tcp"         // it accepts a connection
	HTTP    = "http"        // it answers a request with the expected status
	Talk    = "send-expect" // it answers some bytes with others
	Passive = "passive"     // as TCP, but only after its clients' connections have failed
	None    = "none"        // it is up, whatever it does
)

// Check is one way to check a backend. The zero value connects by TCP.
type Check struct {
	Type    string        // "" is TCP
	Network string        // "" is tcp
	Addr    string        // host:port, or a path for unix
	Timeout time.Duration // of the whole check; 0: 4 s
	Path    string        // HTTP; "" is "/"
	Method  string        // HTTP; "" is GET
	Host    string        // of HTTP and of TLS's SNI; "" is Addr, localhost for unix
	Expect  int           // HTTP; 0 is 200
	// TLS is spoken before anything else is said. The certificate is
	// not verified: a check asks whether a backend answers, not which it is.
	TLS  bool
	Send string // Talk; "": the backend speaks first
	Want string // Talk: somewhere in the answer
	// Polite waits a moment for the backend to see that the check has gone,
	// for services that can take only so many at a time. Otherwise the
	// connection is reset, which leaves nothing behind on either side.
	Polite bool
	// First is said ahead of everything, TLS too: the PROXY header of a
	// backend that wants one from its sessions.
	First []byte
	// Dial connects, as the sessions of the backend do; nil: the system.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Quiet says that what Dial makes is not seen by the backend's accept if
	// it is reset at once: nothing is said over it, and it is never Polite.
	// For TCP and Passive only.
	Quiet bool
}

// Result is what one check found.
type Result struct {
	OK     bool
	Detail string        // for people: "connected in 0.4ms", "connection refused"
	RTT    time.Duration // of the connect, when that worked
	Err    error         // what has failed, where the system said; it may not be the backend's fault
}

func failed(err error) Result { return Result{Detail: Explain(err), Err: err} }

// DefaultTimeout bounds a check that does not say.
const DefaultTimeout = 4 * time.Second

// politeness is how long a polite check waits for the backend's own end.
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
	if network == "" {
		network = "tcp"
	}
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
	return Result{OK: true, Detail: fmt.Sprintf("connected in %s", millis(rtt)), RTT: rtt}
}

// begin says what a session says before its client's bytes.
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
	defer conn.Close()
	if !c.Polite || c.Quiet {
		for over, ok := conn.(interface{ NetConn() net.Conn }); ok; over, ok = conn.(interface{ NetConn() net.Conn }) {
			conn = over.NetConn()
			defer conn.Close() // before TLS sends close_notify
		}
		if t, ok := conn.(*net.TCPConn); ok {
			t.SetLinger(0)
		}
		return
	}
	if h, ok := conn.(interface{ CloseWrite() error }); ok && h.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(politeness))
		io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
	}
}

// host is the name that the backend is asked for.
func (c Check) host() string {
	switch {
	case c.Host != "":
		return c.Host
	case c.Network == "unix":
		return "localhost" // a path is no name
	}
	return c.Addr
}

// nameOf is a host without its port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
