package relay_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestAUnixBacklogThatIsFullIsWaitedOut, although a connect does not wait.
func TestAUnixBacklogThatIsFullIsWaitedOut(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		path := t.TempDir() + "/s"
		ln, err := relay.Listen("unix:"+path, relay.Sock{})
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		rc, _ := ln.Listener.(syscall.Conn).SyscallConn()
		rc.Control(func(fd uintptr) { syscall.Listen(int(fd), 0) })
		filler, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer filler.Close()
		h := open(t, r, "unix", path)
		c := h.come()
		s := next(t, h.begun)
		pause(20)
		select {
		case <-h.over:
			t.Fatalf("it failed with %v", s.failed)
		default:
		}
		for range 2 {
			server, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
		}
		next(t, h.live)
		reset(c)
		next(t, h.over)
	})
}
