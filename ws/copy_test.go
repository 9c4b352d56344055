package ws_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/ws"
)

// pair returns a server's Conn and a client's, both of this package.
func pair(t testing.TB, cfg ws.Config, d ws.Dialer) (server, client *ws.Conn) {
	t.Helper()
	l, err := ws.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() { c, _ := l.Accept(); accepted <- c }()
	client, err = d.Dial(context.Background(), "ws://"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server = (<-accepted).(*ws.Conn)
	t.Cleanup(func() { client.CloseNow(); server.CloseNow(); l.Close() })
	return server, client
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{7})
	r.Read(b)
	return b
}

// io.Copy uses WriteTo and ReadFrom in all four places of a relay, and neither changes
// the bytes.
func TestRelayByIOCopy(t *testing.T) {
	t.Parallel()
	server, client := pair(t, ws.Config{}, ws.Dialer{})
	near, far := tcpPair(t)
	want := randomBytes(20 << 20)
	go func() {
		io.Copy(near, server) // WriteTo, with writev
		near.CloseWrite()
	}()
	go func() {
		io.Copy(server, near) // ReadFrom, through TCPConn's own WriteTo
		server.Close()
	}()
	go func() { io.Copy(far, far); far.CloseWrite() }()
	go func() {
		io.Copy(client, bytes.NewReader(want)) // ReadFrom, of no socket
		client.CloseWrite()
	}()
	sum := sha256.New()
	if n, err := io.Copy(sum, client); n != int64(len(want)) || err != nil { // WriteTo, to no socket
		t.Fatal(n, err)
	}
	if [32]byte(sum.Sum(nil)) != sha256.Sum256(want) {
		t.Fatal("the bytes have changed")
	}
	if client.BytesRead() != int64(len(want)) || server.BytesRead() != int64(len(want)) || client.BytesWritten() != int64(len(want)) {
		t.Error(client.BytesRead(), client.BytesWritten(), server.BytesRead())
	}
}

// Frames of many sizes in one read are one stream.
func TestManyFramesInOneRead(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	near, far := tcpPair(t)
	var sent, want []byte
	r := rand.New(rand.NewPCG(1, 2))
	for len(sent) < 1<<20 {
		payload := strings.Repeat(string(rune('a'+r.IntN(26))), []int{0, 1, 50, 2000, 2100, 9000}[r.IntN(6)])
		want = append(want, payload...)
		sent = append(sent, frame(fin|binry, payload)...)
	}
	go p.Write(append(sent, closeFrame(1000, "")...))
	go func() {
		c.WriteTo(near)
		near.CloseWrite()
	}()
	if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

// Each read of the source is one final frame.
func TestOneFramePerRead(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	near, far := tcpPair(t)
	done := make(chan error)
	go func() { _, err := c.ReadFrom(near); done <- err }()
	for _, s := range []string{"a", strings.Repeat("b", 125), strings.Repeat("c", 126), strings.Repeat("d", 1000)} {
		io.WriteString(far, s)
		p.wantFrame(fin|binry, s)
	}
	far.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A deadline in the past ends both copies, and they can be called again.
func TestDeadlinesEndCopies(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		server, client := pair(t, ws.Config{Compression: secure}, ws.Dialer{Compression: secure})
		ended := make(chan error)
		go func() { _, err := server.WriteTo(io.Discard); ended <- err }()
		server.SetReadDeadline(time.Unix(1, 0))
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		server.SetReadDeadline(time.Time{})
		io.WriteString(client, "on")
		buf := make([]byte, 100)
		if n, err := server.Read(buf); string(buf[:n]) != "on" || err != nil {
			t.Fatal(n, err)
		}
		go func() { _, err := server.ReadFrom(zeros{}); ended <- err }() // the client does not read
		time.Sleep(20 * time.Millisecond)
		server.SetWriteDeadline(time.Unix(1, 0))
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		// The next write completes the frame that was sent in part.
		server.SetWriteDeadline(time.Time{})
		go server.CloseWith(ws.PolicyViolation, "kicked")
		n, err := io.Copy(io.Discard, client)
		if err != nil || n != server.BytesWritten() {
			t.Fatal(n, server.BytesWritten(), err)
		}
		if e := client.CloseError(); e.Code != ws.PolicyViolation || e.Reason != "kicked" {
			t.Fatal(e)
		}
	}
}

func TestCloseNowEndsCopies(t *testing.T) {
	server, _ := pair(t, ws.Config{}, ws.Dialer{})
	ended := make(chan error, 2)
	go func() { _, err := server.WriteTo(io.Discard); ended <- err }()
	go func() { _, err := server.ReadFrom(zeros{}); ended <- err }()
	server.CloseNow()
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}

func TestReadFromOnce(t *testing.T) {
	server, _ := pair(t, ws.Config{}, ws.Dialer{})
	var in, out atomic.Int64
	server.CountInto(&in, &out)
	if n, err := server.ReadFromOnce(strings.NewReader("by step")); n != 7 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := server.ReadFromOnce(strings.NewReader("")); n != 0 || err != io.EOF {
		t.Fatal(n, err)
	}
	if in.Load() != 0 || out.Load() != 7 {
		t.Error(in.Load(), out.Load())
	}
}

// TestCanIdle: a WriteTo that a deadline ends, in the middle of a header or of a
// message, neither loses nor retains payload; a compressed message must not be left to
// a poller.
func TestCanIdle(t *testing.T) {
	for _, compression := range []bool{false, true} {
		server, client := pair(t, ws.Config{Compression: compression}, ws.Dialer{Compression: compression})
		if server.CanIdle() == compression {
			t.Errorf("with compression %v: CanIdle is %v", compression, server.CanIdle())
		}
		if compression {
			continue
		}
		var got bytes.Buffer
		for _, part := range frame(fin|binry, "to be continued") {
			if _, err := client.NetConn().Write([]byte{part}); err != nil {
				t.Fatal(err)
			}
			server.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := server.WriteTo(&got); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		}
		for got.Len() < len("to be continued") {
			server.SetReadDeadline(time.Now().Add(time.Millisecond))
			server.WriteTo(&got)
		}
		if got.String() != "to be continued" {
			t.Errorf("got %q", got.String())
		}
	}
}

// A failing write to the backend does not end what is sent to the client.
func TestWriteToAFailingBackend(t *testing.T) {
	c, p := serveClient(t, ws.Config{})
	p.say(frame(fin|binry, "x"))
	broken := errors.New("broken")
	if _, err := c.WriteTo(writerFunc(func([]byte) (int, error) { return 0, broken })); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	go c.CloseWith(ws.InternalError, "")
	p.wantClose(1011)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Read parses in the caller's memory, whatever its size.
func TestSmallReads(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 13, 14, 15, 100} {
		c, p := serveClient(t, ws.Config{})
		want := strings.Repeat("0123456789", 50)
		p.say(frame(text, want[:130]), frame(fin|ping, "x"), frame(fin|cont, want[130:]), closeFrame(1000, ""))
		var got []byte
		buf := make([]byte, size)
		for {
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
		}
		if string(got) != want {
			t.Fatalf("size %d: %q", size, got)
		}
		if _, err := c.Read(buf); err != io.EOF {
			t.Fatal(err)
		}
	}
}
