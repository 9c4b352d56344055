// Package sshd serves the console over SSH, to people who have no tcpctl: who has a
// key in the file of authorized keys gets a console, and nothing else. There are no
// commands, no forwarding, no files, no passwords.
//
//	s, err := sshd.Open("127.0.0.1:2222", sshd.Options{HostKey: hostKey, Keys: keys, Show: show})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	s.Start()
//
// A client that is slow or dead is dropped: nothing waits for it.
package sshd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/charmbracelet/ssh"
	"github.com/charmbracelet/wish"
	gossh "golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/authkeys"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

const (
	mostConns  = 16               // at a time: each has its own console
	openWithin = 20 * time.Second // from accept to the session, including key exchange and authentication
)

// Options are for one server.
type Options struct {
	HostKey gossh.Signer // the server's own key
	Keys    authkeys.Keys
	// Show shows a console until ctx is done or the operator closes it.
	Show func(ctx context.Context, s *Session) error
	Log  *slog.Logger // nil: nothing is logged
	// Socket listens on the address already, for a process before this one; nil:
	// it is to be opened. It is the server's.
	Socket *os.File

	stall, last time.Duration // replace stallLimit and lastWords in tests
}

// Server serves on one address, from Start on. Close it.
type Server struct {
	ssh    *ssh.Server
	show   func(context.Context, *Session) error
	log    *slog.Logger
	ctx    context.Context // done when the server is closed
	cancel context.CancelFunc
	wg     sync.WaitGroup // the accept loop and the sessions
	stall  time.Duration  // see stallLimit
	last   time.Duration  // see lastWords

	hostKey atomic.Pointer[[]ssh.Signer] // a single key; a connection uses the one in force at its start

	mu     sync.Mutex
	keys   authkeys.Keys
	socket *relay.Listener // holds the socket open
	serves *relay.Listener // the same socket while we accept, otherwise nil
	conns  map[*conn]struct{}
}

// Open takes addr, "host:port".
func Open(addr string, o Options) (_ *Server, err error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	s := &Server{show: o.Show, log: o.Log, keys: o.Keys, conns: map[*conn]struct{}{}, stall: cmp.Or(o.stall, stallLimit), last: cmp.Or(o.last, lastWords)}
	s.SetHostKey(o.HostKey)
	ownKey := func(srv *ssh.Server) error {
		srv.HostSigners = *s.hostKey.Load()
		return nil
	}
	if s.ssh, err = wish.NewServer(ownKey, wish.WithPublicKeyAuth(s.allows), wish.WithVersion("tcpctl")); err != nil {
		return nil, fmt.Errorf("console over SSH: %w", err)
	}
	s.ssh.Handler, s.ssh.ConnCallback = s.serveSession, s.accepted
	s.ssh.ServerConfigCallback = func(ssh.Context) *gossh.ServerConfig {
		s.ssh.HostSigners = *s.hostKey.Load() // called with the lock that guards them
		return &gossh.ServerConfig{MaxAuthTries: 6}
	}
	if s.socket, err = relay.AdoptOrListen(o.Socket, addr, relay.Sock{}); err != nil {
		return nil, fmt.Errorf("console over SSH: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// SetHostKey proves the server with another key from now on. Connections that are
// open stay.
func (s *Server) SetHostKey(key gossh.Signer) { s.hostKey.Store(&[]ssh.Signer{key}) }

// SetKeys lets other keys in from now on. The consoles of keys that are not among
// them, or may do something else, are closed.
func (s *Server) SetKeys(keys authkeys.Keys) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
	for c := range s.conns {
		if c.key == nil {
			continue // not authenticated yet: its key will be looked up in the new list
		}
		if now, ok := keys.Find(c.key); !ok || now != c.may {
			c.drop("its key was taken out or changed")
		}
	}
}

// allows reports whether a key may open a console.
func (s *Server) allows(_ ssh.Context, key ssh.PublicKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.keys.Find(key)
	return ok
}

// Start accepts, until Pause or Close.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || s.serves != nil {
		return
	}
	s.serves = s.socket
	if again, err := s.socket.Dup(relay.Sock{}); err == nil { // fails if the system has no second descriptor
		s.serves = again
	}
	ln := s.serves
	s.wg.Go(func() {
		if err := s.ssh.Serve(ln); err != nil && !errors.Is(err, ssh.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Warn("the console is not served over SSH any more", "error", err)
		}
	})
}

// Pause accepts no more: new clients wait in the socket's backlog. Consoles that are
// open stay.
func (s *Server) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serves != nil {
		s.serves.Close()
		s.serves = nil
	}
}

// Addr is where the socket listens.
func (s *Server) Addr() net.Addr { return s.socket.Addr() }

// File gives another descriptor of the socket, for another process.
func (s *Server) File() (*os.File, error) { return s.socket.File() }

// Release is Close for a socket that another process serves: the file of a Unix
// socket stays.
func (s *Server) Release() error {
	s.mu.Lock()
	s.socket.CloseKeepFile()
	s.mu.Unlock()
	return s.Close()
}

// Close ends all consoles, and waits for them.
func (s *Server) Close() error {
	s.Pause()
	s.cancel()
	s.mu.Lock()
	s.socket.Close()
	for c := range s.conns {
		c.end()
	}
	s.mu.Unlock()
	err := s.ssh.Close()
	s.wg.Wait()
	return err
}
