package ws_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/tcpctl/tcpctl/ws"
)

// Not over TLS, where a write deadline ends writing for good, and not with compression, where a read deadline may.
func TestConnsAreNetConns(t *testing.T) {
	for _, protocol := range []string{"binary", "base64"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			offered := []string{protocol}
			nettest.TestConn(t, func() (near, far net.Conn, stop func(), err error) {
				server, client := pair(t, ws.Config{Subprotocols: offered}, ws.Dialer{Subprotocols: offered})
				return server, client, func() { server.CloseNow(); client.CloseNow() }, nil
			})
		})
	}
}
