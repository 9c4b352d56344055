package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

// Pings of a queued client are answered, and its payload is buffered.
func TestServeControl(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	returned := make(chan error, 1)
	go func() { returned <- c.ServeControl(ctx) }()
	p.say(frame(fin|ping, "there?"))
	p.wantFrame(fin|pong, "there?")
	p.say(frame(fin|pong, ""), frame(fin|text, ""), frame(fin|binry, "data"), frame(fin|ping, "behind"))
	p.wantFrame(fin|pong, "behind")
	cancel()
	if err := <-returned; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := c.Read(buf); string(buf[:n]) != "data" || err != nil {
		t.Fatal(n, err)
	}
	p.say(frame(fin|binry, "more"))
	if n, err := c.Read(buf); string(buf[:n]) != "more" || err != nil {
		t.Fatal(n, err)
	}
}

// TestServeControlBesideARead: ServeControl ends with its context even while it waits
// for another reader.
func TestServeControlBesideARead(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	read := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(c, make([]byte, 2))
		read <- err
	}()
	p.say(frame(fin|binry, "a"))
	waitFor(t, "the reader", func() bool { return c.BytesRead() == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	returned := make(chan error, 1)
	go func() { returned <- c.ServeControl(ctx) }()
	cancel()
	select {
	case err := <-returned:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it is still waiting")
	}
	p.say(frame(fin|binry, "b"))
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// TestServeControlKeepsOrder: once the buffer is full, nothing more is read, even in
// the middle of a message.
func TestServeControlKeepsOrder(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	var want strings.Builder
	for i := range 1000 {
		part := fmt.Sprintf("line %d;", i)
		want.WriteString(part)
		p.say(frame(fin|binry, part))
	}
	if err := c.ServeControl(context.Background()); err != nil {
		t.Fatal(err)
	}
	p.say(closeFrame(1000, ""))
	var got strings.Builder
	if _, err := c.WriteTo(&got); err != nil || got.String() != want.String() {
		t.Errorf("%d of %d bytes, %v", got.Len(), want.Len(), err)
	}
	if int(c.BytesRead()) != want.Len() {
		t.Errorf("%d of %d bytes are counted", c.BytesRead(), want.Len())
	}
}

// TestServeControlNoticesACloseAfterPayload, and the reader still gets the payload.
func TestServeControlNoticesACloseAfterPayload(t *testing.T) {
	t.Parallel()
	c, p := serveClient(t, ws.Config{})
	p.say(frame(fin|text, "last words"), closeFrame(4000, "bye"))
	if err := c.ServeControl(context.Background()); err != nil {
		t.Fatal(err)
	}
	if end := c.CloseError(); end == nil || end.Code != 4000 {
		t.Errorf("CloseError is %v", end)
	}
	p.wantFrame(fin|clos, "\x0f\xa0") // although the program does not read
	if all, err := io.ReadAll(c); string(all) != "last words" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}

func TestServeControlNoticesTheEnd(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	p.say(frame(fin|ping, ""), closeFrame(1001, ""))
	if err := c.ServeControl(context.Background()); err != io.EOF {
		t.Fatal(err)
	}
	c, p = serveClient(t, ws.Config{})
	p.Conn.Close()
	var e *ws.CloseError
	if err := c.ServeControl(context.Background()); !errors.As(err, &e) || e.Code != ws.AbnormalClosure {
		t.Fatal(err)
	}
	c, p = serveClient(t, ws.Config{})
	p.say(frame(fin|3, ""))
	if err := c.ServeControl(context.Background()); !errors.As(err, &e) || e.Code != ws.ProtocolError {
		t.Fatal(err)
	}
	c, _ = serveClient(t, ws.Config{})
	time.AfterFunc(20*time.Millisecond, func() { c.CloseNow() })
	if err := c.ServeControl(context.Background()); err == nil {
		t.Fatal("ServeControl has not returned")
	}
}
