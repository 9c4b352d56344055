package main

import (
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestQuietDrainsReachEarlierProcesses: a drain and a window after an upgrade end sessions from
// before it; a drain that was undone ends none.
func TestQuietDrainsReachEarlierProcesses(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "a")
	in := runInstance(t, nil, "proxy", "--listen", "127.0.0.1:0", "--backend", b.addr+",name=a")
	addr, pid := in.addr(), in.cmd.Process.Pid
	var pool [3]*client
	for i := range pool {
		c, err := dial(addr)
		if err != nil {
			t.Fatal(err)
		}
		pool[i] = c
		t.Cleanup(func() { pool[i].Close() })
		talks(t, pool[i])
	}
	in.tcpctl("upgrade")
	in.follow(pid)
	defer in.ends()
	in.tcpctl("drain", "proxy/a", "--force", "--quiet", "1h")
	in.tcpctl("ready", "proxy/a")
	for _, c := range pool {
		talks(t, c)
	}
	in.tcpctl("drain", "proxy/a", "--force", "--quiet", "100ms", "--wait")
	for _, c := range pool {
		if how, err := c.sees(); how != "fin" || err != nil {
			t.Errorf("it sees %s, %v", how, err)
		}
	}
	in.until("none is left", func(s *proxy.ServiceInfo) bool { return s.Sessions.Active == 0 })
	in.tcpctl("ready", "proxy/a")
}

// talks fails the test unless the client's session works.
func talks(t *testing.T, c *client) {
	t.Helper()
	if err := c.says("still"); err != nil {
		t.Fatal(err)
	}
	if err := c.hears("a: still"); err != nil {
		t.Fatal(err)
	}
}
