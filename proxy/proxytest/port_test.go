package proxytest_test

import (
	"net"
	"runtime"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestAListenerListensUntilItsTestEnds(t *testing.T) {
	addr := proxytest.Listen(t).Addr().String() // nothing here holds the listener
	for range 3 {
		ran := make(chan struct{})
		runtime.SetFinalizer(new(net.TCPListener), func(*net.TCPListener) { close(ran) })
		runtime.GC()
		<-ran
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
