package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dial connects as a client, and sends its name.
func (v *visit) dial(name string) *client {
	v.Helper()
	return v.dialAt(v.addr(), name)
}

func (v *visit) dialAt(addr, name string) *client {
	v.Helper()
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	return v.come(&net.Dialer{}, network, addr, name)
}

// dialFrom is dial from another address of this machine.
func (v *visit) dialFrom(ip, name string) *client {
	v.Helper()
	if runtime.GOOS != "linux" {
		v.Skip("only Linux has the whole of 127.0.0.0/8")
	}
	return v.come(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}, "tcp", v.addr(), name)
}

func (v *visit) come(d *net.Dialer, network, addr, name string) *client {
	v.Helper()
	c, err := d.Dial(network, addr)
	if errors.Is(err, syscall.ECONNRESET) {
		c, err = resetConn{}, nil // before it noticed that it was connected
	}
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { c.Close() })
	if name != "" {
		// The write after a reset takes the error: a read would find the end.
		if _, err := fmt.Fprintln(c, name); errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
			c.Close()
			c = resetConn{}
		}
	}
	return &client{TB: v.TB, Conn: c, r: bufio.NewReader(c)}
}

// resetConn is a connection that was reset at once.
type resetConn struct{ net.Conn }

func (resetConn) Read([]byte) (int, error)        { return 0, syscall.ECONNRESET }
func (resetConn) Write([]byte) (int, error)       { return 0, syscall.ECONNRESET }
func (resetConn) Close() error                    { return nil }
func (resetConn) CloseWrite() error               { return syscall.ENOTCONN }
func (resetConn) SetLinger(int) error             { return nil }
func (resetConn) LocalAddr() net.Addr             { return &net.TCPAddr{} }
func (resetConn) SetDeadline(time.Time) error     { return nil }
func (resetConn) SetReadDeadline(time.Time) error { return nil }

// turnedAway connects as a client and fails the test unless it is reset, possibly
// before it notices that it is connected.
func (v *visit) turnedAway() {
	v.Helper()
	c, err := net.Dial("tcp", v.addr())
	switch {
	case errors.Is(err, syscall.ECONNRESET):
	case err != nil:
		v.Fatal(err)
	default:
		v.Cleanup(func() { c.Close() })
		(&client{TB: v.TB, Conn: c, r: bufio.NewReader(c)}).isReset()
	}
}

type client struct {
	testing.TB
	net.Conn
	r *bufio.Reader
}

// hear returns the backend's next line, or the error.
func (c *client) hear() string {
	c.SetReadDeadline(time.Now().Add(patience))
	line, err := c.r.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

// hears fails the test unless the next line is want.
func (c *client) hears(want string) {
	c.Helper()
	if got := c.hear(); got != want {
		c.Fatalf("got %q, want %q", got, want)
	}
}

// isReset fails the test unless the connection ends with a reset.
func (c *client) isReset() {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		if _, err := c.r.ReadByte(); err != nil {
			if !strings.Contains(err.Error(), "reset") {
				c.Fatalf("ended with %v, want a reset", err)
			}
			return
		}
	}
}

// isClosed fails the test unless the connection ends with an end of stream.
func (c *client) isClosed() {
	c.Helper()
	if got := c.hear(); got != "EOF" {
		c.Fatalf("got %q, want the end", got)
	}
}

func (c *client) says(line string) { fmt.Fprintln(c, line) }

// fin ends the client's half of the stream.
func (c *client) fin() { c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// leaves ends the client's half and waits for the other half.
func (c *client) leaves() {
	c.Helper()
	c.fin()
	c.isClosed()
	c.Close()
}

func (c *client) reset() {
	c.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
	c.Close()
}
