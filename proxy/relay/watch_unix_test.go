//go:build unix

package relay

import (
	"net"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// pausingReader is a connection that pauses after reading what follows its handshake.
type pausingReader struct {
	net.Conn
	hasRead, resume chan struct{}
}

func (c pausingReader) NetConn() net.Conn { return c.Conn }

func (c pausingReader) HasEnded() bool {
	c.Read(make([]byte, 10))
	close(c.hasRead)
	<-c.resume
	return false
}

// TestAProbeWhileTheWatchReads finds only the end of stream in the socket, but the client has sent data.
func TestAProbeWhileTheWatchReads(t *testing.T) {
	ln := proxytest.Listen(t)
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Write([]byte("words"))
	client.(*net.TCPConn).CloseWrite()
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := pausingReader{accepted, make(chan struct{}), make(chan struct{})}
	s := &Side{connSide: &connSide{conn: c, watch: &watch{done: make(chan struct{})}}}
	ends := make(chan End, 2)
	go func() {
		defer close(s.watch.done)
		s.watch.watch(s, func(e End) { ends <- e })
	}()
	<-c.hasRead
	if end := s.Probe(); end != HalfFIN {
		t.Errorf("probed %v while it is read", end)
	}
	close(c.resume)
	if end := <-ends; end != HalfFIN {
		t.Errorf("reported %v", end)
	}
	accepted.Close()
	<-s.watch.done
}
