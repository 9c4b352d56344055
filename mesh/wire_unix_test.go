//go:build unix

package mesh

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestTheLastMessageIsRead: a Write that fails with the peer's reset does not end the connection, since the peer's last
// message, which says why, may still be unread.
func TestTheLastMessageIsRead(t *testing.T) {
	ln := proxytest.Listen(t)
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(c, time.Now())
	w.Write([]byte("never read"))
	peer.SetReadDeadline(time.Now().Add(time.Minute))
	peer.Read(make([]byte, 1)) // it has arrived: closing now sends a reset
	io.WriteString(peer, "last words")
	peer.Close()
	for range 100 { // one of them gets the reset
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatalf("Write returns %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(w); string(got) != "last words" {
		t.Errorf("read %q", got)
	}
	if w.readErr.Load() == nil {
		t.Error("the end is not known")
	}
}
