// Package httpd is an HTTP server on a listening socket that passes from one process to another in
// an upgrade: it can stop accepting and start again, while clients wait in the socket's backlog and
// requests continue.
package httpd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Server serves HTTP on one socket, from Start on. Close it.
type Server struct {
	http    *http.Server
	trouble func(error)
	wg      sync.WaitGroup

	mu     sync.Mutex
	socket *relay.Listener // holds the socket open
	serves *relay.Listener // the same socket while accepting; nil: not accepting
	closed bool
}

// New makes a server of a socket, which it owns from then on. It calls trouble
// with the reason when it accepts no more.
func New(h *http.Server, socket *relay.Listener, trouble func(error)) *Server {
	s := &Server{http: h, trouble: trouble, socket: socket}
	inner := h.Handler
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { inner.ServeHTTP(last{w, s}, r) })
	return s
}

// last makes clients open a new connection, to whichever process then accepts, once this server no
// longer does: HTTP/2 would keep one as long as it has any request.
type last struct {
	http.ResponseWriter
	s *Server
}

func (w last) WriteHeader(status int) {
	if !w.s.Serving() {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w last) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Start accepts, until Pause or Close.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.serves != nil {
		return
	}
	s.http.SetKeepAlivesEnabled(true)
	ln := s.socket
	if again, err := s.socket.Dup(relay.Sock{}); err == nil { // fails if the system has no second descriptor
		ln = again
	}
	s.serves = ln
	s.wg.Go(func() { s.serve(ln) })
}

func (s *Server) serve(ln net.Listener) {
	if err := s.http.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.trouble(err)
	}
}

// Pause accepts no more: new clients wait in the socket's backlog. Requests
// that have begun are answered, and their connections then closed.
func (s *Server) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serves != nil {
		s.serves.Close()
		s.serves = nil
		s.http.SetKeepAlivesEnabled(false)
	}
}

// Serving says whether it accepts.
func (s *Server) Serving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serves != nil
}

// Move continues on another socket.
func (s *Server) Move(socket *relay.Listener) {
	s.Pause()
	s.mu.Lock()
	s.socket.Close()
	s.socket = socket
	s.mu.Unlock()
	s.Start()
}

// Addr is where the socket listens.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket.Addr()
}

// File gives another descriptor of the socket, for another process.
func (s *Server) File() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.socket.File()
}

// Release is Close for a socket that another process serves: the file of a Unix
// socket stays.
func (s *Server) Release() error {
	s.mu.Lock()
	s.socket.CloseKeepFile()
	s.mu.Unlock()
	return s.Close()
}

// Close gives requests that are under way a second, and ends.
func (s *Server) Close() error {
	s.Pause()
	s.mu.Lock()
	s.closed = true
	s.socket.Close()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.wg.Wait()
	return err
}
