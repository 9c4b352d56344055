package sshd

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/charmbracelet/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/authkeys"
)

// stallLimit is how long a write to a client may block, and a third of how long a keepalive may
// stay unanswered. Keepalives are needed because buffers on the way hold hours of a quiet console's
// output.
const stallLimit = 10 * time.Second

// lastWords is how long an ended console may take to restore the terminal.
const lastWords = 2 * time.Second

// conn is one client's connection. It is closed if it opens no session in time, if a write stalls,
// and with the server.
type conn struct {
	net.Conn
	server *Server
	ctx    context.Context // when done, the console ends
	cancel context.CancelFunc
	timer  *time.Timer // closes it
	once   sync.Once

	key gossh.PublicKey // nil: no session; key and may are guarded by the server's mu
	may authkeys.Key
}

type connKey struct{}

// accepted bounds the number of connections.
func (s *Server) accepted(ctx ssh.Context, c net.Conn) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || len(s.conns) >= mostConns {
		s.log.Info("a client of the console over SSH was refused: too many are connected", "client", c.RemoteAddr().String())
		return nil
	}
	one := &conn{Conn: c, server: s}
	one.ctx, one.cancel = context.WithCancel(s.ctx)
	one.timer = time.AfterFunc(openWithin, func() { one.drop("it opened no session in time") })
	s.conns[one] = struct{}{}
	ctx.SetValue(connKey{}, one)
	return one
}

// Write gives a client that takes nothing no more than its time.
func (c *conn) Write(p []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(c.server.stall))
	return c.Conn.Write(p)
}

// keepAsking sends keepalives, as with OpenSSH's ClientAliveInterval, and drops a client that does
// not answer. It ends with the connection.
func (c *conn) keepAsking(ctx context.Context, sc gossh.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.server.stall):
		}
		limit := 3 * c.server.stall
		silent := time.AfterFunc(limit, func() { c.drop("it answered nothing for " + limit.String()) })
		_, _, err := sc.SendRequest("keepalive@openssh.com", true, nil) // a refusal is an answer, too
		silent.Stop()
		if err != nil {
			return
		}
	}
}

// Close may be called more than once.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.timer.Stop()
		c.cancel()
		c.Conn.Close()
		c.server.mu.Lock()
		delete(c.server.conns, c)
		c.server.mu.Unlock()
	})
	return nil
}

// end makes the console close itself, and closes the connection soon.
func (c *conn) end() {
	c.cancel()
	c.timer.Stop()
	time.AfterFunc(c.server.last, func() { c.Close() })
	if c.key == nil {
		go c.Close() // it has no console; Close needs the lock that the caller holds
	}
}

// drop closes the connection at once. It may be called under the server's lock.
func (c *conn) drop(why string) {
	c.server.log.Info("a client of the console over SSH was dropped: "+why, "client", c.RemoteAddr().String())
	go c.Close()
}
