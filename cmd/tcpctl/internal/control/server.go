// Package control is the API of a running instance on its Unix socket: HTTP
// and JSON, made from proxy/api. A Server serves any api.Source, and a Client
// is one, so that what works in-process works from outside.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

const (
	maxBody   = 1 << 20
	maxWait   = 30 * time.Second // of an events request that waits
	headers   = 5 * time.Second
	idleAfter = 2 * time.Minute
)

// Server serves a Source on a socket.
type Server struct {
	source api.Source
	log    *slog.Logger
	http   *http.Server
	node   string
	wg     sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
	socket *socket
}

// Options are for one Server.
type Options struct {
	Node  string      // what acts are signed with, behind the user
	Mode  fs.FileMode // of the socket; 0: 0600
	Group string      // that owns the socket; "": the user's own
	Log   *slog.Logger
}

// Serve opens the socket at path and begins to serve source. It fails when
// another instance answers there, or when something is in the way that is not
// a socket.
func Serve(path string, source api.Source, o Options) (*Server, error) {
	log := o.Log
	sock, err := openSocket(path, o)
	if err != nil {
		return nil, err
	}
	s := &Server{source: source, log: log, node: o.Node, socket: sock}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headers,
		IdleTimeout:       idleAfter,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, whoKey{}, peerName(c))
		},
	}
	s.wg.Add(2)
	go s.serveSocket(sock.listener())
	go s.keepSocket()
	return s, nil
}

func (s *Server) serveSocket(ln net.Listener) {
	defer s.wg.Done()
	if err := s.http.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("control socket: "+err.Error(), "socket", s.Path())
	}
}

// keepSocket makes the socket again when somebody has removed it.
func (s *Server) keepSocket() {
	defer s.wg.Done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		if s.socket.there() {
			continue
		}
		ln, err := s.socket.reopen()
		if err != nil {
			continue // somebody else's is there now, or the folder has gone
		}
		s.log.Warn("the control socket had been removed: made again", "socket", s.Path())
		s.wg.Add(1)
		go s.serveSocket(ln)
	}
}

// Path is where the socket is.
func (s *Server) Path() string { return s.socket.path }

// Close stops serving, gives requests that are under way a moment, and
// removes the socket.
func (s *Server) Close() {
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.wg.Wait()
	s.socket.remove()
}

type whoKey struct{}

// Handler is the API, for serving it over something else than the socket.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/config", s.config)
	mux.HandleFunc("GET /v1/sessions", s.sessions)
	mux.HandleFunc("GET /v1/services/{service}/queue", s.queue)
	mux.HandleFunc("GET /v1/events", s.events)
	if planner, ok := s.source.(api.Planner); ok {
		s.handlePlans(mux, planner)
	}
	for _, a := range api.Acts {
		mux.HandleFunc("POST /v1/acts/"+a.Name, s.act(a.Name))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, api.Unknown("there is no "+r.Method+" "+r.URL.Path, "see /v1/status, /v1/sessions, /v1/events, POST /v1/acts/NAME"))
	})
	return mux
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.source.Status(r.Context())
	answer(w, st, err)
}

func (s *Server) config(w http.ResponseWriter, r *http.Request) {
	c, ok := s.source.(api.Configured)
	if !ok {
		fail(w, api.Unknown("this instance has no configuration file", ""))
		return
	}
	text, err := c.Config(r.Context())
	answer(w, text, err)
}

func (s *Server) queue(w http.ResponseWriter, r *http.Request) {
	q, err := s.source.Queue(r.Context(), r.PathValue("service"))
	answer(w, q, err)
}

func (s *Server) sessions(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := api.SessionQuery{Service: v.Get("service"), Backend: v.Get("backend"), Client: v.Get("client"), Ended: v.Get("ended") == "1"}
	var err error
	if older := v.Get("older_than"); older != "" {
		if q.OlderThan, err = time.ParseDuration(older); err != nil {
			fail(w, api.Wrong("older_than: "+err.Error(), "like 30s"))
			return
		}
	}
	if limit := v.Get("limit"); limit != "" {
		if q.Limit, err = strconv.Atoi(limit); err != nil || q.Limit < 0 {
			fail(w, api.Wrong("limit is not a whole number from 0", ""))
			return
		}
	}
	all, err := s.source.Sessions(r.Context(), q)
	answer(w, all, err)
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	since := uint64(0)
	if text := v.Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			fail(w, api.Wrong("since is not a whole number from 0", ""))
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	page, err := s.source.Events(ctx, since, v.Get("wait") == "1")
	answer(w, page, err)
}

// act carries out what the body asks for. Who asks is what the socket says,
// never the body.
func (s *Server) act(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req api.Request
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&req); err != nil && !errors.Is(err, io.EOF) {
			fail(w, api.Wrong("the request is not JSON as it should be: "+err.Error(), ""))
			return
		}
		if req.Act != "" && req.Act != name {
			fail(w, api.Wrong("the body asks for "+req.Act+", the path for "+name, ""))
			return
		}
		req.Act = name
		req.By = s.who(r)
		res, err := s.source.Do(r.Context(), req)
		answer(w, res, err)
	}
}

// who is the user at the other end, as the kernel names him, at this node.
func (s *Server) who(r *http.Request) string {
	who, _ := r.Context().Value(whoKey{}).(string)
	if who == "" {
		who = "unknown"
	}
	return who + "@" + s.node
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, api.AsError(err))
		return
	}
	write(w, http.StatusOK, v)
}

func fail(w http.ResponseWriter, err *api.Error) {
	err.Text = strings.TrimPrefix(err.Text, "proxy: ")
	write(w, err.Status, err)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(v) // a reader that has gone needs no error
}
