package relay_test

import (
	"io"
	"net"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// The benchmarks compare the runners with each other, in one process with client and
// backend; to compare with other proxies, or measure the proxy's own cpu, use a load
// generator in another process.

func eachRunnerB(b *testing.B, bench func(b *testing.B, h *harness)) {
	for name, r := range map[string]relay.Runner{"loop": new(relay.Loop), "stream": new(relay.Stream)} {
		b.Run(name, func(b *testing.B) {
			h := open(b, r, "tcp", newBackend(b).echo().addr())
			go func() { // they are not checked
				for {
					select {
					case <-h.begun:
					case <-h.live:
					case <-h.over:
					case <-b.Context().Done():
						return
					}
				}
			}()
			b.ReportAllocs()
			bench(b, h)
		})
	}
}

// BenchmarkSession is a session from connect to reset, with one echo.
func BenchmarkSession(b *testing.B) {
	eachRunnerB(b, func(b *testing.B, h *harness) {
		b.RunParallel(func(pb *testing.PB) {
			buf := make([]byte, 128)
			for pb.Next() {
				c, err := net.Dial("tcp", h.l.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				echoOnce(b, c, buf)
				reset(c.(*net.TCPConn))
			}
		})
	})
}

// BenchmarkPingPong is one request and its answer in an open session.
func BenchmarkPingPong(b *testing.B) {
	eachRunnerB(b, func(b *testing.B, h *harness) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			c, err := net.Dial("tcp", h.l.Addr().String())
			if err != nil {
				b.Error(err)
				return
			}
			defer reset(c.(*net.TCPConn))
			buf := make([]byte, 128)
			for pb.Next() {
				echoOnce(b, c, buf)
			}
		})
	})
}

func echoOnce(b *testing.B, c net.Conn, buf []byte) {
	if _, err := c.Write(buf); err != nil {
		b.Error(err)
	}
	if _, err := io.ReadFull(c, buf); err != nil {
		b.Error(err)
	}
}

// BenchmarkBulk is a megabyte there and back.
func BenchmarkBulk(b *testing.B) {
	eachRunnerB(b, func(b *testing.B, h *harness) {
		c := h.come()
		block := make([]byte, 1<<20)
		b.SetBytes(int64(2 * len(block)))
		sent := make(chan bool)
		go func() {
			defer close(sent)
			for range b.N {
				c.Write(block)
			}
		}()
		if _, err := io.CopyN(io.Discard, c, int64(b.N)*int64(len(block))); err != nil {
			b.Error(err)
		}
		<-sent
		reset(c)
	})
}
