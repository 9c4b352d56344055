package proxytest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// listenIn listens on port 0 where the system can only choose the port of addr.
func listenIn(addr string) (net.Listener, error) {
	port := int(netip.MustParseAddrPort(addr).Port())
	only := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, port<<16|port)
		})
		return err
	}}
	return only.Listen(context.Background(), "tcp", "127.0.0.1:0")
}

func TestAStoppedServerKeepsItsPort(t *testing.T) {
	port, err := proxytest.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it is restarted
		ln, err := net.Listen("tcp", port.Addr)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", port.Addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		proxytest.StopListening(ln)
		if c, err := net.Dial("tcp", port.Addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a client got %v, %v where no server listens", c, err)
		}
	}
	switch ln, err := listenIn(port.Addr); {
	case errors.Is(err, unix.ENOPROTOOPT):
		t.Skip("this kernel has no IP_LOCAL_PORT_RANGE")
	case !errors.Is(err, unix.EADDRINUSE):
		t.Fatalf("the port was given to another socket: %v, %v", ln, err)
	}
	port.Release()
	ln, err := listenIn(port.Addr)
	if err != nil {
		t.Fatalf("after the release the port is not available: %v", err)
	}
	ln.Close()
}
