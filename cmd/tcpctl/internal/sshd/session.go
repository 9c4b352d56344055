package sshd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/authkeys"
)

// Session is one client's terminal, and what its key may do.
type Session struct {
	authkeys.Key
	Fingerprint string        // of its key: SHA256:…
	io.Reader                 // the input; ends with the client
	io.Writer                 // fails for a client that does not read
	Sizes       <-chan [2]int // width and height in cells, the first at once
	env         []string
}

// Env looks up a variable that the client has sent, TERM among them.
func (s *Session) Env(name string) (string, bool) {
	for _, v := range slices.Backward(s.env) {
		if key, value, ok := strings.Cut(v, "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

// serveSession shows a console to an authenticated client.
func (s *Server) serveSession(sess ssh.Session) {
	c, _ := sess.Context().Value(connKey{}).(*conn)
	if c == nil {
		return
	}
	pty, windows, terminal := sess.Pty()
	switch {
	case len(sess.Command()) > 0:
		s.refuse(sess, "this is the console of tcpctl: it takes no command")
		return
	case !terminal:
		s.refuse(sess, "the console needs a terminal; try: ssh -t")
		return
	case !s.admit(c, sess):
		s.refuse(sess, "another session of this connection has the console, or its key was taken out")
		return
	}
	defer s.wg.Done()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	sizes := make(chan [2]int, 1)
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		forwardSizes(ctx, pty.Window, windows, sizes)
	}()
	if sc, ok := sess.Context().Value(ssh.ContextKeyConn).(gossh.Conn); ok {
		s.wg.Go(func() { c.keepAsking(ctx, sc) })
	}
	env := append(slices.Clone(sess.Environ()), "TERM="+pty.Term)
	s.log.Info("console over SSH opened", "by", c.may.By, "read_only", c.may.ReadOnly, "client", c.RemoteAddr().String())
	err := s.show(ctx, &Session{Key: c.may, Fingerprint: gossh.FingerprintSHA256(c.key), Reader: sess, Writer: &watchedWriter{sess, c}, Sizes: sizes, env: env})
	cancel()
	<-forwarded
	if err != nil {
		s.log.Warn("console over SSH: "+err.Error(), "by", c.may.By)
	}
	s.log.Info("console over SSH closed", "by", c.may.By, "client", c.RemoteAddr().String())
	// The client disconnects when it has read the status. If the connection were closed earlier,
	// what the client still sends would be answered by a reset, and ssh would fail.
	stop := time.AfterFunc(s.last, func() { c.Close() })
	sess.Exit(0)
	<-sess.Context().Done()
	stop.Stop()
	c.Close()
}

// refuse ends a session with an error message.
func (s *Server) refuse(sess ssh.Session, text string) {
	fmt.Fprintf(sess.Stderr(), "tcpctl: %s\r\n", text)
	sess.Exit(1)
}

// admit reports whether a connection may have a console; each may have one. The key is looked up
// again, as it may have been removed since authentication.
func (s *Server) admit(c *conn, sess ssh.Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.key != nil || sess.PublicKey() == nil || s.ctx.Err() != nil {
		return false
	}
	may, ok := s.keys.Find(sess.PublicKey())
	if ok {
		c.timer.Stop()
		c.key, c.may = sess.PublicKey(), may
		s.wg.Add(1) // Close has not begun to wait, as the lock is held
	}
	return ok
}

// forwardSizes passes window sizes on. A slow console gets only the newest.
func forwardSizes(ctx context.Context, first ssh.Window, windows <-chan ssh.Window, sizes chan [2]int) {
	size := [2]int{first.Width, first.Height}
	for {
		select {
		case <-sizes:
		default:
		}
		sizes <- size // does not block: nothing else sends
		select {
		case w, ok := <-windows:
			if !ok {
				return
			}
			size = [2]int{w.Width, w.Height}
		case <-ctx.Done():
			return
		}
	}
}

// watchedWriter drops a client that does not read: its terminal may have stopped although its
// connection works.
type watchedWriter struct {
	w io.Writer
	c *conn
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	stalled := time.AfterFunc(w.c.server.stall, func() { w.c.drop("it took nothing for " + w.c.server.stall.String()) })
	defer stalled.Stop()
	return w.w.Write(p)
}
