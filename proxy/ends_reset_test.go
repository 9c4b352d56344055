package proxy_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestAClientThatAnswersWithAReset: it has closed before. Its backend sees that at the
// first write, and the slot is free; the record says who ended, and how.
func TestAClientThatAnswersWithAReset(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		seen := make(chan error, 1)
		v := by(t, relay, func(c *net.TCPConn) {
			io.Copy(io.Discard, c)
			io.WriteString(c, "one answer")
			var err error
			for err == nil { // until the reset or the deadline
				time.Sleep(time.Millisecond)
				_, err = c.Write([]byte("x"))
			}
			seen <- err
		})
		c := v.dial("goodbye")
		c.Close()
		r := v.record()
		if r.By != proxy.ByClient || r.Reason != proxy.ReasonFIN || r.Detail != "then reset by the client" {
			t.Errorf("record %+v", r)
		}
		if err := <-seen; !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the backend saw %v", err)
		}
		if i := v.untilIdle(); i.Sessions.Cut != 0 {
			t.Errorf("counted %+v", i.Sessions)
		}
	})
}

// TestABackendThatResetsAClientThatListens: the client has ended its half and is cut,
// as both the record and the counter say.
func TestABackendThatResetsAClientThatListens(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		v := by(t, relay, func(c *net.TCPConn) {
			io.Copy(io.Discard, c)
			c.SetLinger(0)
		})
		c := v.dial("a question")
		c.fin()
		c.isReset()
		if r := v.record(); r.By != proxy.ByBackend || r.Reason != proxy.ReasonReset || r.Detail != "" {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Sessions.Cut != 1 {
			t.Errorf("counted %+v", i.Sessions)
		}
	})
}
