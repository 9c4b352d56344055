package control

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/process"
	"github.com/tcpctl/tcpctl/proxy/api"
)

const (
	// DefaultProfile is how long a CPU profile takes unless seconds are given.
	DefaultProfile = 10 * time.Second
	// MaxProfile is the longest: a process can take one at a time.
	MaxProfile = 60 * time.Second
)

// debugger serves internals of this process, on the socket only and outside of the API: peers of
// the mesh and their operators cannot slow the process down or inspect it.
type debugger struct {
	server    *Server
	version   string
	profiling sync.Mutex // held while a CPU profile is taken
	dumping   sync.Mutex // one dump at a time: it may have several megabytes
}

func (s *Server) handleDebug(mux *http.ServeMux, version string) {
	d := &debugger{server: s, version: version}
	mux.HandleFunc("GET /v1/debug/process", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, process.Read(d.version)) })
	mux.HandleFunc("GET /v1/debug/goroutines", d.goroutines)
	mux.HandleFunc("GET /v1/debug/heap", func(w http.ResponseWriter, _ *http.Request) { d.dump(w, "heap", 0) })
	mux.HandleFunc("GET /v1/debug/profile", d.profile)
}

// goroutines answers with the goroutines counted by stack, with labels, while they keep running; or
// with each=1 one by one, with what each waits for and how long, for which the runtime stops all.
func (d *debugger) goroutines(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("each") != "1" {
		d.dump(w, "goroutine", 1)
		return
	}
	d.server.log.Info("dumping each goroutine; the process stops for a moment", "by", d.server.who(r))
	d.dump(w, "goroutine", 2)
}

// dump answers with one of the runtime's profiles: in pprof's format, or as text if detail is not
// 0.
func (d *debugger) dump(w http.ResponseWriter, name string, detail int) {
	d.dumping.Lock()
	defer d.dumping.Unlock()
	var b bytes.Buffer // a slow client must not delay other requests
	if err := pprof.Lookup(name).WriteTo(&b, detail); err != nil {
		fail(w, api.AsError(err))
		return
	}
	kind := "application/octet-stream"
	if detail > 0 {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Write(b.Bytes())
}

// profile answers with a CPU profile of some seconds. It ends early, without an answer, if its
// client leaves.
func (d *debugger) profile(w http.ResponseWriter, r *http.Request) {
	length, refusal := profileLength(r.URL.Query().Get("seconds"))
	if refusal != nil {
		fail(w, refusal)
		return
	}
	if !d.profiling.TryLock() {
		fail(w, api.Refused("a CPU profile is being taken already", fmt.Sprintf("wait for its end: it takes %s at most", MaxProfile)))
		return
	}
	defer d.profiling.Unlock()
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		fail(w, api.AsError(err))
		return
	}
	d.server.log.Info("a CPU profile is taken", "for", length, "by", d.server.who(r))
	var ended bool // the request, with the instance
	select {
	case <-time.After(length):
	case <-r.Context().Done():
		ended = true
	}
	pprof.StopCPUProfile()
	if ended {
		fail(w, api.Refused("the instance is stopping: there is no profile", ""))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(b.Bytes())
}

func profileLength(text string) (time.Duration, *api.Error) {
	if text == "" {
		return DefaultProfile, nil
	}
	n, err := strconv.Atoi(text)
	if length := time.Duration(n) * time.Second; err == nil && n > 0 && n <= int(MaxProfile/time.Second) {
		return length, nil
	}
	return 0, api.Wrong(fmt.Sprintf("seconds %q is not a whole number from 1 to %d", text, MaxProfile/time.Second), "like 10")
}
