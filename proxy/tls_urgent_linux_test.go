package proxy_test

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sendUrgent sends bytes, the last of which is urgent.
func sendUrgent(t *testing.T, c *net.TCPConn, b []byte) {
	t.Helper()
	rc, err := c.SyscallConn()
	if err == nil {
		err = rc.Write(func(fd uintptr) bool {
			if e := unix.Send(int(fd), b, unix.MSG_OOB); e != nil {
				t.Error(e)
			}
			return true
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestUrgentDataAndTLS: a byte of a record that is sent as urgent data is part of the
// record, and a backend's urgent byte is an ordinary one in TLS.
func TestUrgentDataAndTLS(t *testing.T) {
	onEach(t, func(t *testing.T) {
		got := make(chan string, 1)
		v := overTLS(t, false, func(c *net.TCPConn) {
			b := make([]byte, 9)
			io.ReadFull(c, b)
			sendUrgent(t, c, []byte("an answer"))
			c.Write([]byte(", and more"))
			rest, _ := io.ReadAll(c)
			got <- string(b) + string(rest)
		})
		c := v.inRecords()
		c.TCPConn.Write(c.Seal(nil, []byte("one, ")))
		for _, text := range []string{"two, ", "three, ", "four"} {
			record := c.Seal(nil, []byte(text))
			sendUrgent(t, c.TCPConn, record[:len(record)/2])
			c.TCPConn.Write(record[len(record)/2:])
		}
		if plain, err := c.reads(19); string(plain) != "an answer, and more" || err != nil {
			t.Errorf("got %q, %v", plain, err)
		}
		c.TCPConn.Write(c.CloseNotify(nil))
		c.TCPConn.CloseWrite()
		if all := <-got; all != "one, two, three, four" {
			t.Errorf("the backend got %q", all)
		}
	})
}

// urgentFirst sends the first half of the first Write with an urgent byte at its end,
// and the rest once that has arrived.
type urgentFirst struct {
	*net.TCPConn
	t    *testing.T
	sent bool
}

func (c *urgentFirst) Write(b []byte) (int, error) {
	if c.sent {
		return c.TCPConn.Write(b)
	}
	c.sent = true
	sendUrgent(c.t, c.TCPConn, b[:len(b)/2])
	time.Sleep(50 * time.Millisecond) // a read stops before the byte, and the next begins with it
	n, err := c.TCPConn.Write(b[len(b)/2:])
	return len(b)/2 + n, err
}

// TestUrgentDataInTheOpening: no read of a handshake passes over an urgent byte.
func TestUrgentDataInTheOpening(t *testing.T) {
	onEach(t, func(t *testing.T) {
		v := overTLS(t, false, func(c *net.TCPConn) { io.Copy(c, c) })
		_, raw := v.dialTLS()
		c := tls.Client(&urgentFirst{TCPConn: raw, t: t}, &tls.Config{InsecureSkipVerify: true})
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
			t.Errorf("got %q, %v", b, err)
		}
	})
}
