package upgrade

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// streamConn is a connection of which more than the HTTP head may have been read.
type streamConn struct {
	net.Conn
	r io.Reader
}

func (s *streamConn) Read(b []byte) (int, error) { return s.r.Read(b) }

// OpenStream opens a stream with the process at addr, whose handler takes it by
// TakeStream. The error wraps ECONNREFUSED where the process has ended.
func OpenStream(ctx context.Context, addr, path string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: acceptWithin}).DialContext(ctx, "unix", addr)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(acceptWithin))
	r := bufio.NewReader(c)
	if _, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: tcpctl\r\nConnection: Upgrade\r\nUpgrade: tcpctl\r\n\r\n", path); err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(r, nil); err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("upgrade: it answers %s", resp.Status)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return &streamConn{c, r}, nil
}

// TakeStream answers the request of OpenStream.
func TakeStream(w http.ResponseWriter) (net.Conn, error) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(acceptWithin))
	if _, err := fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcpctl\r\n\r\n"); err != nil {
		c.Close()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return &streamConn{c, rw.Reader}, nil
}
