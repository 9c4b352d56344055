// Package health looks once whether a backend serves, and judges what a row of
// such looks means.
package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Types of checks.
const (
	TCP  = "tcp"         // it accepts a connection
	HTTP = "http"        // it answers a request with the expected status
	Talk = "send-expect" // it answers some bytes with others
	None = "none"        // it is up, whatever it does
)

// Check is one way to look at a backend. The zero value connects by TCP.
type Check struct {
	Type    string        // "" is TCP
	Network string        // "" is tcp
	Addr    string        // host:port, or a path for unix
	Timeout time.Duration // of the whole check; 0: 4 s
	Path    string        // HTTP; "" is "/"
	Method  string        // HTTP; "" is GET
	Host    string        // HTTP; "" is Addr
	Expect  int           // HTTP; 0 is 200
	// TLS asks by https. Nobody's certificate is judged: a check asks whether a
	// backend answers, not who it is.
	TLS  bool
	Send string // Talk; "": the backend speaks first
	Want string // Talk: somewhere in the answer
	// Polite waits a moment for the backend to see that the check has gone,
	// for services that can take only so many at a time. Otherwise the
	// connection is reset, which leaves nothing behind on either side.
	Polite bool
}

// Result is what one check found.
type Result struct {
	OK     bool
	Detail string        // for people: "connected in 0.4ms", "refused"
	RTT    time.Duration // of the connect, when that worked
}

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
	network := c.Network
	if network == "" {
		network = "tcp"
	}
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, c.Addr)
	if err != nil {
		return Result{Detail: Explain(err)}
	}
	rtt := time.Since(began)
	switch c.Type {
	case HTTP:
		return c.http(ctx, conn, rtt)
	case Talk:
		return c.speak(ctx, conn, rtt)
	}
	c.hangUp(conn)
	return Result{OK: true, Detail: fmt.Sprintf("connected in %s", millis(rtt)), RTT: rtt}
}

func (c Check) hangUp(conn net.Conn) {
	defer conn.Close()
	if !c.Polite {
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

// http asks over the connection that was made. It follows no redirect: 301 is
// an answer like any other.
func (c Check) http(ctx context.Context, conn net.Conn, rtt time.Duration) Result {
	defer conn.Close()
	method, path, host, expect := c.Method, c.Path, c.Host, c.Expect
	if method == "" {
		method = http.MethodGet
	}
	if path == "" {
		path = "/"
	}
	if host == "" {
		host = c.Addr
	}
	if expect == 0 {
		expect = http.StatusOK
	}
	scheme := "http"
	if c.TLS {
		scheme = "https"
	}
	tr := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 16 << 10,
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		TLSClientConfig:        &tls.Config{ServerName: nameOf(host), InsecureSkipVerify: true},
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, scheme+"://check"+path, nil)
	if err != nil {
		return Result{Detail: err.Error()}
	}
	req.Host = host
	req.Header.Set("User-Agent", "tcpctl-check")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return Result{Detail: Explain(err)}
	}
	resp.Body.Close()
	if resp.StatusCode != expect {
		return Result{Detail: "http " + strconv.Itoa(resp.StatusCode) + ", wants " + strconv.Itoa(expect)}
	}
	return Result{OK: true, Detail: "http " + strconv.Itoa(resp.StatusCode), RTT: rtt}
}

// nameOf is a host without its port.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// Explain says in a word or two why a connection failed.
func Explain(err error) string {
	var dns *net.DNSError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "timed out"
	case errors.Is(err, context.Canceled):
		return "given up"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "out of descriptors"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "out of local ports"
	case errors.Is(err, syscall.ENOENT):
		return "no such socket"
	case errors.As(err, &dns):
		return "name not found"
	case errors.Is(err, io.EOF):
		return "closed without an answer"
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err.Error()
	}
	return err.Error()
}

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + "ms"
}
