package ws_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

// A queued client is answered, and nothing of it is taken.
func TestHold(t *testing.T) {
	c, p := serveOne(t, ws.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	held := make(chan error, 1)
	go func() { held <- c.Hold(ctx) }()
	p.say(frame(fin|ping, "there?"))
	p.wantFrame(fin|pong, "there?")
	cancel()
	if err := <-held; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	go func() { held <- c.Hold(context.Background()) }()
	p.say(frame(fin|pong, ""), frame(fin|text, ""), frame(fin|binry, "data"), frame(fin|ping, "behind"))
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := c.Read(buf); string(buf[:n]) != "data" || err != nil {
		t.Fatal(n, err)
	}
	p.wantFrame(fin|pong, "behind")
}

func TestHoldSeesTheEnd(t *testing.T) {
	c, p := serveOne(t, ws.Config{})
	p.say(frame(fin|ping, ""), closeFrame(1001, ""))
	if err := c.Hold(context.Background()); err != io.EOF {
		t.Fatal(err)
	}
	c, p = serveOne(t, ws.Config{})
	p.Conn.Close()
	var e *ws.CloseError
	if err := c.Hold(context.Background()); !errors.As(err, &e) || e.Code != ws.Abnormal {
		t.Fatal(err)
	}
	c, p = serveOne(t, ws.Config{})
	p.say(frame(fin|3, ""))
	if err := c.Hold(context.Background()); !errors.As(err, &e) || e.Code != ws.ProtocolError {
		t.Fatal(err)
	}
	c, _ = serveOne(t, ws.Config{})
	time.AfterFunc(20*time.Millisecond, func() { c.CloseNow() })
	if err := c.Hold(context.Background()); err == nil {
		t.Fatal("still held")
	}
}
