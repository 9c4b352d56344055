//go:build !linux

package proxy_test

import (
	"net"
	"testing"
)

func wasReset(net.Conn) bool { return false }

func keepPort(net.Addr) (giveBack func()) { return func() {} }

func stopListening(ln net.Listener) { ln.Close() }

// freePort is a port that was free just now.
func freePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
