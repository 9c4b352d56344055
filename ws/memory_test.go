package ws

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// BenchmarkIdle does not measure time: it opens connections with a backend each, relays
// a message on all of them, and reports the memory of an idle one. The clients are raw
// sockets, which need little more than a descriptor; their share is subtracted.
func BenchmarkIdle(b *testing.B) {
	const sessions = 2000
	for b.Loop() {
	}
	l, err := Listen("tcp", "127.0.0.1:0", Config{})
	if err != nil {
		b.Fatal(err)
	}
	backend := proxytest.Listen(b)
	var wg sync.WaitGroup
	var open []io.Closer
	var mu sync.Mutex
	keep := func(c io.Closer) { mu.Lock(); open = append(open, c); mu.Unlock() }
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d, err := net.Dial("tcp", backend.Addr().String())
			if err != nil {
				return
			}
			keep(d)
			wg.Add(2)
			go func() { defer wg.Done(); c.(*Conn).WriteTo(d) }()
			go func() { defer wg.Done(); c.(*Conn).ReadFrom(d) }()
		}
	}()
	before := settled()
	for range sessions {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		keep(c)
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", strings.Repeat("X-Cookie: "+strings.Repeat("x", 200)+"\r\n", 4))
		answer := make([]byte, 512)
		c.Read(answer)
		d, err := backend.Accept()
		if err != nil {
			b.Fatal(err)
		}
		keep(d)
		c.Write(controlFrame(opPing, []byte("hello"), true))
		c.Read(answer)
		frame := putHeader(make([]byte, headroom+5), headroom, 5, bitFin|opBinary, true)
		c.Write(frame)
		d.Read(answer)
		d.Write([]byte("hello"))
		c.Read(answer)
	}
	after := settled()
	// Two of the four sockets of each session belong to the test.
	b.ReportMetric(float64(after.heap-before.heap)/sessions, "heap-B/session")
	b.ReportMetric(float64(after.stack-before.stack)/sessions, "stack-B/session")
	b.ReportMetric(float64(after.rss-before.rss)/sessions, "rss-B/session")
	b.ReportMetric(float64(runtime.NumGoroutine())/sessions, "goroutines/session")
	l.Close()
	for _, c := range l.Conns() {
		c.CloseNow()
	}
	for _, c := range open {
		c.Close()
	}
	backend.Close()
	wg.Wait()
}

type memory struct{ heap, stack, rss int64 }

func settled() memory {
	time.Sleep(100 * time.Millisecond)
	for range 3 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var pages, resident int64
	if s, err := os.ReadFile("/proc/self/statm"); err == nil {
		fmt.Sscan(string(s), &pages, &resident)
	}
	return memory{int64(m.HeapAlloc), int64(m.StackInuse), resident * int64(os.Getpagesize())}
}
