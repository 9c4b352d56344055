package proxy_test

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// replies is a backend with one client, which answers each line with the next reply of
// the test; "" closes.
func replies(c *net.TCPConn, next <-chan string) {
	r := bufio.NewReader(c)
	for {
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
		said := <-next
		if said == "" {
			return
		}
		c.Write([]byte(said))
	}
}

// TestRule46aARequestUnderWayIsWaitedFor, however quiet it is, and so is a transaction;
// the session ends when both are complete.
func TestRule46aARequestUnderWayIsWaitedFor(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		next := make(chan string)
		v := by(t, relay, func(c *net.TCPConn) { replies(c, next) })
		cfg := unchecked(relay)
		cfg.Name, cfg.Listen = "db", []string{"127.0.0.1:0"}
		cfg.Backends, cfg.Drain.Protocol = []proxy.BackendConfig{{Name: "a", Addr: v.backend("a").Addr}}, "redis"
		v = start(t, cfg)
		c := v.dial("MULTI")
		next <- "+OK\r\n"
		c.hears("+OK")
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: time.Millisecond}))
		time.Sleep(50 * time.Millisecond) // longer than a drain would take
		c.says("GET k")
		next <- "+QUEUED\r\n"
		c.hears("+QUEUED")
		time.Sleep(50 * time.Millisecond)
		c.says("EXEC")
		time.Sleep(50 * time.Millisecond)
		next <- "*1\r\n+v\r\n"
		c.hears("*1")
		c.hears("+v")
		c.isClosed()
		if r := v.record(); r.Reason != proxy.ReasonQuietDrain {
			t.Errorf("record %+v", r)
		}
	})
}

// TestRule46aWhatCannotBeRead is ended by quiet alone, and an event says so.
func TestRule46aWhatCannotBeRead(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Relay: relay, Check: quick(1, 3), Drain: proxy.DrainConfig{Quiet: quietly, Protocol: "postgres"}}, a)
		v.untilUp()
		c := v.dial("hello, this is not what it speaks")
		c.hears("a hello, this is not what it speaks")
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana"}))
		c.isClosed()
		page, _ := v.Events(0)
		if n := countEvents(page, proxy.EventSession, "cannot be read as postgres: it does not speak the protocol"); n != 1 {
			t.Errorf("%d such events: %+v", n, page.Events)
		}
	})
}

// TestRule46aAReadSessionCarriesAllOfIt: reading along changes no byte, and only costs
// the splice.
func TestRule46aAReadSessionCarriesAllOfIt(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		v := start(t, proxy.ServiceConfig{Relay: relay, Check: quick(1, 3), Drain: proxy.DrainConfig{Protocol: "redis"}}, a)
		v.untilUp()
		c := v.dial("one")
		c.hears("a one")
		long := strings.Repeat("x", 3<<20)
		go c.says(long)
		c.hears(long)
		c.leaves()
		if r := v.record(); r.BytesIn != int64(len(long)+5) || r.BytesOut != int64(len(long)+7) {
			t.Errorf("record %+v", r)
		}
	})
}
