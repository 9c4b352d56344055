package ws

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An interval that no other test uses, so that no ping wheel is shared with one
// outside of the bubble.
const testPing = 31 * time.Second

// ends returns a server's Conn and its peer's end of a net.Pipe.
func ends(set settings, encoding Encoding) (*Conn, net.Conn) {
	near, far := net.Pipe()
	set.closeTimeout, set.maxInflated = defaultCloseTimeout, defaultMaxInflated
	return newConn(near, nil, false, negotiated{encoding: encoding}, &set), far
}

func TestKeepalivePings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := ends(settings{pingInterval: testPing}, Binary)
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(io.Discard, c) })
		const rtt = 250 * time.Millisecond
		start := time.Now()
		wg.Go(func() {
			for n := 1; ; n++ {
				ping := make([]byte, 10)
				if _, err := io.ReadFull(far, ping); err != nil {
					return
				}
				if ping[0] != bitFin|opPing || ping[1] != 8 {
					t.Errorf("%x", ping)
				}
				// A ping may be late by up to a slot, an eighth of the interval.
				if at, want := time.Since(start), time.Duration(n)*testPing; at < want || at > want+testPing/8 {
					t.Errorf("ping %d after %v", n, at)
				}
				time.Sleep(rtt)
				far.Write(controlFrame(opPong, ping[2:], true))
			}
		})
		time.Sleep(time.Hour)
		if c.CloseError() != nil || c.RTT() != rtt {
			t.Errorf("%v, %v", c.CloseError(), c.RTT())
		}
		c.CloseNow()
		wg.Wait()
		if len(pingWheels.by) != 0 {
			t.Error("a ping wheel remains")
		}
	})
}

func TestKeepaliveEndsAnUnresponsivePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := ends(settings{pingInterval: testPing}, Binary)
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(io.Discard, far) }) // reads, never answers
		start := time.Now()
		_, err := io.Copy(io.Discard, c)
		if !errors.Is(err, ErrUnresponsive) {
			t.Error(err)
		}
		// One interval to the first ping, and one more for each that is missed.
		if at := time.Since(start); at < 3*testPing || at > 3*testPing+testPing/8 {
			t.Error(at)
		}
		c.CloseNow()
		wg.Wait()
	})
}

// An incomplete code point is sent as invalid after a time. A peer that does not answer
// the Close 1007 for it, and continues to send, is disconnected.
func TestIncompleteCodePointTimesOut(t *testing.T) {
	for _, replace := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c, far := ends(settings{replaceInvalid: replace}, Text)
			defer c.CloseNow()
			var wg sync.WaitGroup
			wg.Go(func() { io.WriteString(c, "a\xe2\x82") })
			buf := make([]byte, 100)
			if n, err := far.Read(buf); string(buf[:n]) != "\x81\x01a" || err != nil {
				t.Errorf("%q %v", buf[:n], err)
			}
			start := time.Now()
			n, err := far.Read(buf)
			if time.Since(start) != partialRuneTimeout || err != nil {
				t.Error(time.Since(start), err)
			}
			if replace && string(buf[:n]) != "\x81\x06\ufffd\ufffd" {
				t.Errorf("%q", buf[:n])
			}
			if !replace && (buf[0] != bitFin|opClose || string(buf[2:4]) != "\x03\xef") {
				t.Errorf("%q", buf[:n])
			}
			if !replace {
				wg.Go(func() {
					for err := error(nil); err == nil; time.Sleep(time.Second) {
						_, err = far.Write(controlFrame(opBinary, []byte("x"), true))
					}
				})
				_, err = c.WriteTo(io.Discard)
				var e *CloseError
				if !errors.As(err, &e) || e.Code != InvalidPayload || e.ByPeer {
					t.Errorf("reading ended with %v", err)
				}
			}
			wg.Wait()
		})
	}
}

// A timer echoes the peer's Close when the program does not close.
func TestCloseIsEchoedByATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := ends(settings{}, Binary)
		defer c.CloseNow()
		go far.Write(controlFrame(opClose, closePayload(3333, "x"), true))
		if _, err := c.Read(make([]byte, 100)); err != io.EOF {
			t.Error(err)
		}
		start := time.Now()
		buf := make([]byte, 100)
		if n, err := far.Read(buf); string(buf[:n]) != "\x88\x02\x0d\x05" || err != nil || time.Since(start) != echoDelay {
			t.Errorf("%q %v after %v", buf[:n], err, time.Since(start))
		}
	})
}
