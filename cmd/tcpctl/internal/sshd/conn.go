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

// stallLimit is how long a client may take nothing of what is written to it, and a
// third of how long it may leave a question open. Buffers on the way take hours of a
// console that is quiet, so a client is not noticed by what it does not read alone.
const stallLimit = 10 * time.Second

// lastWords is how long a console that is ended may take to restore the terminal.
const lastWords = 2 * time.Second

// conn is one client's connection. It is closed when it has no session in time,
// when a write stalls, and with the server.
type conn struct {
	net.Conn
	server *Server
	ctx    context.Context // done: its console ends
	cancel context.CancelFunc
	timer  *time.Timer // closes it
	once   sync.Once

	key gossh.PublicKey // nil: it has no session; guarded by the server's mu, as may is
	may authkeys.Key
}

type connKey struct{}

// accepted bounds the connections: one too many is closed.
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

// keepAsking asks the client whether it is there, as OpenSSH's own ClientAliveInterval
// does, and drops one that does not answer. It ends with the connection.
func (c *conn) keepAsking(ctx context.Context, sc gossh.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.server.stall):
		}
		limit := 3 * c.server.stall
		silent := time.AfterFunc(limit, func() { c.drop("it answered nothing for " + limit.String()) })
		_, _, err := sc.SendRequest("keepalive@openssh.com", true, nil) // no is an answer too
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

// end lets the console close itself, and closes the connection soon.
func (c *conn) end() {
	c.cancel()
	c.timer.Stop()
	time.AfterFunc(lastWords, func() { c.Close() })
	if c.key == nil {
		go c.Close() // it has no console; Close needs the lock that the caller has
	}
}

// drop closes the connection at once. It may be called under the server's lock.
func (c *conn) drop(why string) {
	c.server.log.Info("a client of the console over SSH was dropped: "+why, "client", c.RemoteAddr().String())
	go c.Close()
}
