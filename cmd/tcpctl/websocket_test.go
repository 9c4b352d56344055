package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tcpctl/tcpctl/ws"
)

// caller is a WebSocket client of a story. It connects in the background, as its handshake is
// answered only when it is served.
type caller struct {
	came chan struct{} // closed once the handshake was answered
	conn *ws.Conn
	err  error
	r    *bufio.Reader
}

func call(url string) *caller {
	c := &caller{came: make(chan struct{})}
	go c.dial(url)
	return c
}

func (c *caller) dial(url string) {
	defer close(c.came)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d := ws.Dialer{HandshakeTimeout: patience, Subprotocols: []string{"binary"}}
	if c.conn, c.err = d.Dial(ctx, url); c.err == nil {
		c.conn.SetDeadline(time.Now().Add(patience))
		c.r = bufio.NewReader(c.conn)
	}
}

// told returns the status of the handshake's answer.
func (c *caller) told() (int, error) {
	<-c.came
	var refusal *ws.HandshakeError
	switch {
	case c.err == nil:
		return 101, nil
	case errors.As(c.err, &refusal):
		return refusal.Response.StatusCode, nil
	}
	return 0, c.err
}

// sees reads to the end, and returns the close code.
func (c *caller) sees() ws.CloseCode {
	io.Copy(io.Discard, c.r)
	c.conn.Close()
	return c.conn.CloseError().Code
}

func (c *caller) end() {
	if <-c.came; c.conn != nil {
		c.conn.CloseNow()
	}
}

// websocketCmd is the command for WebSocket clients.
func websocketCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: websocket NAME comes URL|is-told STATUS|says LINE|hears LINE|sees CODE|closes")
	}
	w, name, what := worldOf(ts), args[0], strings.Join(args[2:], " ")
	if args[1] == "comes" {
		w.callers[name] = call(what)
		return
	}
	c := w.callers[name]
	if c == nil {
		ts.Fatalf("%s has not connected", name)
	}
	status, err := c.told()
	ts.Check(err)
	if args[1] != "is-told" && c.conn == nil {
		ts.Fatalf("%s was told %d", name, status)
	}
	switch args[1] {
	case "is-told":
		if strconv.Itoa(status) != what {
			ts.Fatalf("%s was told %d: %v", name, status, c.err)
		}
	case "says":
		_, err = fmt.Fprintln(c.conn, what)
	case "hears":
		var line string
		if line, err = c.r.ReadString('\n'); err == nil && line != what+"\n" {
			ts.Fatalf("%s heard %q", name, line)
		}
	case "sees":
		if code := c.sees(); strconv.Itoa(int(code)) != what {
			ts.Fatalf("%s sees %d", name, code)
		}
	case "closes":
		err = c.conn.Close()
	default:
		ts.Fatalf("a WebSocket client does not know how to %q", args[1])
	}
	ts.Check(err)
}
