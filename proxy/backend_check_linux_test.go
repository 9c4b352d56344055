package proxy_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// untilChecked waits until this many more checks were made.
func (v *visit) untilChecked(name string, times int) {
	v.Helper()
	for range times {
		at := time.Time{}
		if c := v.backend(name).Check; c != nil {
			at = c.At
		}
		v.untilBackend(name, "checked", func(b proxy.BackendInfo) bool { return b.Check != nil && b.Check.At.After(at) })
	}
}

// TestTCPChecksAreNotSeen: the server's accept does not return for them, with or
// without a lock, and no local port is left in TIME_WAIT.
func TestTCPChecksAreNotSeen(t *testing.T) {
	for _, slots := range []int{0, 1} {
		t.Run(fmt.Sprint("slots ", slots), func(t *testing.T) {
			t.Parallel() // only with each other: the tests beside would make the machine busy
			ln := proxytest.Listen(t)
			port := ln.Addr().(*net.TCPAddr).Port
			before := timeWaits(t, port, nil)
			c := proxy.ServiceConfig{Check: quick(1, 1), Lock: proxy.LockConfig{Slots: slots}, SendProxy: 2,
				Backends: []proxy.BackendConfig{{Name: "a", Addr: ln.Addr().String()}}}
			v := start(t, c)
			v.untilUp()
			v.untilChecked("a", 30)
			v.Close()
			seen := 0
			for ln.(*net.TCPListener).SetDeadline(time.Now().Add(300 * time.Millisecond)); ; seen++ {
				s, err := ln.Accept()
				if err != nil {
					break
				}
				s.Close()
			}
			// The last ACK is delayed by at least 40 ms, which may sometimes be too short
			// on a busy machine. Without the delay all of them are seen.
			if seen > 15 {
				t.Errorf("%d of 30 checks were seen", seen)
			}
			// Close aborts the dial in progress, which may have succeeded.
			if n := timeWaits(t, port, nil) - before; n > 1 {
				t.Errorf("%d ports are in TIME_WAIT", n)
			}
		})
	}
}

// TestChecksSpeakAsSessionsDo: a PROXY header without a client comes first, but not at
// a port that is only for checks.
func TestChecksSpeakAsSessionsDo(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]string{1: "PROXY UNKNOWN\r\nPING\n", 2: "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00PING\n"} {
		for _, apart := range []bool{false, true} {
			ln := proxytest.Listen(t)
			c := proxy.ServiceConfig{Check: quick(1, 1), SendProxy: version, Backends: []proxy.BackendConfig{{Name: "a", Addr: ln.Addr().String()}}}
			c.Check.Type, c.Check.Send, c.Check.Want = "send-expect", "PING\n", "PONG"
			if apart {
				c.Backends[0].Addr = "127.0.0.1:1"
				c.Check.Port = ln.Addr().(*net.TCPAddr).Port
				want = "PING\n"
			}
			v := start(t, c)
			s, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			got, err := readUntil(s, "PING\n")
			if got != want {
				t.Errorf("version %d, a separate port %v: got %q, %v", version, apart, got, err)
			}
			s.Write([]byte("PONG"))
			s.Close()
			v.untilHealth("a", proxy.StateUp)
			v.Close()
		}
	}
}

func readUntil(c net.Conn, end string) (string, error) {
	c.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	for r := bufio.NewReader(c); !strings.HasSuffix(string(got), end); {
		b, err := r.ReadByte()
		if err != nil {
			return string(got), err
		}
		got = append(got, b)
	}
	return string(got), nil
}

// TestWhoEndsFirstWaits: if the backend ends first, the port stays in TIME_WAIT on its
// side, as without a proxy: ours is free at once. If the client ends first, that costs
// one port, not more.
func TestWhoEndsFirstWaits(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		ln := proxytest.Listen(t)
		port := ln.Addr().(*net.TCPAddr).Port
		ours := map[int]bool{} // ports that the sessions came from
		c := unchecked(relay)
		c.Backends = []proxy.BackendConfig{{Name: "a", Addr: ln.Addr().String()}}
		v := start(t, c)
		const times = 20
		visit := func(backendFirst bool) {
			client := v.dial("")
			s, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			ours[s.RemoteAddr().(*net.TCPAddr).Port] = true
			first, second := client.Conn, s
			if backendFirst {
				first, second = s, client.Conn
			}
			first.(*net.TCPConn).CloseWrite()
			second.SetReadDeadline(time.Now().Add(patience))
			second.Read(make([]byte, 1))
			second.Close()
			first.SetReadDeadline(time.Now().Add(patience))
			first.Read(make([]byte, 1))
			first.Close()
			if r := v.record(); r.Reason != proxy.ReasonFIN {
				t.Errorf("record %+v", r)
			}
		}
		for range times {
			visit(true)
		}
		if n := timeWaits(t, port, ours); n > 0 {
			t.Errorf("%d of our ports are in TIME_WAIT after the backend ended first", n)
		}
		for range times {
			visit(false)
		}
		if n := timeWaits(t, port, ours); n > times {
			t.Errorf("%d of our ports are in TIME_WAIT after %d clients ended first", n, times)
		}
	})
}

// timeWaits returns how many connections to a port are in TIME_WAIT on the connecting
// side; with from, only those from these ports count, since an earlier listener on the
// port may have left some. The list changes while it is read, so one may be in it
// twice.
func timeWaits(t *testing.T, port int, from map[int]bool) int {
	t.Helper()
	rows, err := tcpTable(port, "06")
	if err != nil {
		t.Skip(err)
	}
	wait := map[string]bool{} // local addresses
	for _, f := range rows {
		if from == nil || from[portOf(f[1])] {
			wait[f[1]] = true
		}
	}
	return len(wait)
}

// tcpTable returns the fields of the connections in a state to a port of 127.0.0.1, as /proc lists them.
func tcpTable(port int, state string) (rows [][]string, err error) {
	text, err := os.ReadFile("/proc/net/tcp")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 9 && f[2] == fmt.Sprintf("0100007F:%04X", port) && f[3] == state {
			rows = append(rows, f)
		}
	}
	return rows, err
}

// portOf returns the port of an address in /proc, or 0.
func portOf(addr string) int {
	_, port, _ := strings.Cut(addr, ":")
	n, _ := strconv.ParseUint(port, 16, 16)
	return int(n)
}
