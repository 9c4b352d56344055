package proxy

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestRule50NoHelloInTime: a client that sends nothing, and one that sends a byte every
// few seconds, have the same deadline.
func TestRule50NoHelloInTime(t *testing.T) {
	for _, drips := range []int{0, 5} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			began := time.Now()
			go func() {
				for i := range drips {
					near.Write([]byte{22, 3, 1, 1, 0}[i : i+1])
					time.Sleep(handshakeTimeout / 5)
				}
			}()
			ev := readClientHello(far)
			g := ev.Arg.(handshakeResult)
			if g.refused != ReasonNoHello || g.abandoned || ev.Err.Error() != fmt.Sprintf("%d bytes of it arrived within 10s", drips) {
				t.Errorf("refused %q, %v", g.refused, ev.Err)
			}
			if took := time.Since(began); took != handshakeTimeout {
				t.Errorf("it took %s", took)
			}
			synctest.Wait()
		})
	}
}
