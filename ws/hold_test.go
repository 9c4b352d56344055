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

// A queued client is answered, and what it sends is kept.
func TestHold(t *testing.T) {
	c, p := serveOne(t, ws.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	held := make(chan error, 1)
	go func() { held <- c.Hold(ctx) }()
	p.say(frame(fin|ping, "there?"))
	p.wantFrame(fin|pong, "there?")
	p.say(frame(fin|pong, ""), frame(fin|text, ""), frame(fin|binry, "data"), frame(fin|ping, "behind"))
	p.wantFrame(fin|pong, "behind")
	cancel()
	if err := <-held; !errors.Is(err, context.Canceled) {
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

// TestHoldKeepsInOrder: beyond what it keeps it takes nothing, in the middle
// of a message too.
func TestHoldKeepsInOrder(t *testing.T) {
	c, p := serveOne(t, ws.Config{})
	var want strings.Builder
	for i := range 1000 {
		part := fmt.Sprintf("line %d;", i)
		want.WriteString(part)
		p.say(frame(fin|binry, part))
	}
	if err := c.Hold(context.Background()); err != nil {
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

// TestHoldSeesACloseBehindBytes, which the reader gets still.
func TestHoldSeesACloseBehindBytes(t *testing.T) {
	c, p := serveOne(t, ws.Config{})
	p.say(frame(fin|text, "last words"), closeFrame(4000, "bye"))
	if err := c.Hold(context.Background()); err != nil {
		t.Fatal(err)
	}
	if end := c.CloseError(); end == nil || end.Code != 4000 {
		t.Errorf("it has not seen it: %v", end)
	}
	p.wantFrame(fin|clos, "\x0f\xa0") // though nobody reads
	if all, err := io.ReadAll(c); string(all) != "last words" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
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
