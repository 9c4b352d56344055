package relay

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/tcpctl/tcpctl/proxy/internal/tlsrecord"
)

// TLSClient does the TLS handshake of a client over c, for Dial.Secure. If c
// belongs to a loop and TLS 1.3 was agreed, the loop goes on with TLS itself, and
// the result is only for the dial. The result owns c; after an error the caller
// still owns c.
func TLSClient(ctx context.Context, c net.Conn, config *tls.Config) (net.Conn, error) {
	if _, ofLoop := c.(*openingConn); !ofLoop {
		over := tls.Client(NoteEnd(c), config)
		if err := over.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return over, nil
	}
	h, err := tlsrecord.Client(ctx, c, config)
	if err != nil {
		return nil, err
	}
	if h.Session == nil {
		return h.Conn, nil
	}
	t := &TLS{session: h.Session}
	t.open(h.Early)
	return &carriedTLS{c, t}, nil
}

// carriedTLS passes the TLS that a loop handles from Dial.Secure to its dial.
type carriedTLS struct {
	net.Conn
	tls *TLS
}
