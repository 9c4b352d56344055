package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// handler is the API of one Source, over whatever carries HTTP.
type handler struct {
	source api.Source
	who    func(*http.Request) string
}

// NewHandler makes the API of a source. who names the user, by what the
// connection is known to be: acts are signed with it.
func NewHandler(source api.Source, who func(*http.Request) string) http.Handler {
	h := &handler{source: source, who: who}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", h.status)
	mux.HandleFunc("GET /v1/config", h.config)
	mux.HandleFunc("GET /v1/sessions", h.sessions)
	mux.HandleFunc("GET /v1/services/{service}/queue", h.queue)
	mux.HandleFunc("GET /v1/services/{service}/line", h.line)
	mux.HandleFunc("GET /v1/events", h.events)
	if planner, ok := source.(api.Planner); ok {
		h.handlePlans(mux, planner)
	}
	if past, ok := source.(api.History); ok {
		h.handleHistory(mux, past)
	}
	for _, a := range api.Acts {
		mux.HandleFunc("POST /v1/acts/"+a.Name, h.act(a.Name))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, api.Unknown("there is no "+r.Method+" "+r.URL.Path, "see /v1/status, /v1/sessions, /v1/events, /v1/history, POST /v1/acts/NAME"))
	})
	return mux
}

func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	st, err := h.source.Status(r.Context())
	answer(w, st, err)
}

func (h *handler) config(w http.ResponseWriter, r *http.Request) {
	c, ok := h.source.(api.Configured)
	if !ok {
		fail(w, api.Unknown("this instance has no configuration file", "start one with tcpctl run -c FILE"))
		return
	}
	text, err := c.Config(r.Context())
	answer(w, text, err)
}

func (h *handler) queue(w http.ResponseWriter, r *http.Request) {
	q, err := h.source.Queue(r.Context(), r.PathValue("service"))
	answer(w, q, err)
}

func (h *handler) line(w http.ResponseWriter, r *http.Request) {
	l, ok := h.source.(api.Liner)
	if !ok {
		fail(w, api.Unknown("this instance is in no cluster", "see /v1/services/SERVICE/queue"))
		return
	}
	n, err := l.NodeLine(r.Context(), r.PathValue("service"))
	answer(w, n, err)
}

func (h *handler) sessions(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := api.SessionQuery{Service: v.Get("service"), Backend: v.Get("backend"), Client: v.Get("client"), Ended: v.Get("ended") == "1"}
	var err error
	if older := v.Get("older_seconds"); older != "" {
		n, err := strconv.ParseFloat(older, 64)
		if err == nil {
			q.OlderThan, err = api.Duration(n)
		}
		if err != nil {
			fail(w, api.Wrong(fmt.Sprintf("older_seconds %q is not a number of seconds", older), "like 30"))
			return
		}
	}
	if limit := v.Get("limit"); limit != "" {
		if q.Limit, err = strconv.Atoi(limit); err != nil || q.Limit < 0 {
			fail(w, api.Wrong("limit is not a whole number from 0", "like 100"))
			return
		}
	}
	all, err := h.source.Sessions(r.Context(), q)
	answer(w, all, err)
}

func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	since := uint64(0)
	if text := v.Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseUint(text, 10, 64); err != nil {
			fail(w, api.Wrong("since is not a whole number from 0", "it is the seq of the last event that was seen"))
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	page, err := h.source.Events(ctx, since, v.Get("wait") == "1")
	answer(w, page, err)
}

// act carries out the act in the body. The operator is taken from the socket, never from the body.
func (h *handler) act(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req api.Request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&req); err != nil && !errors.Is(err, io.EOF) {
			fail(w, badBody(err, `like {"targets": ["db/a"], "limit_seconds": 30}`))
			return
		}
		if req.Act != "" && req.Act != name {
			fail(w, api.Wrong("the body asks for "+req.Act+", the path for "+name, "leave it out of the body"))
			return
		}
		req.Act = name
		req.By = h.who(r)
		res, err := h.source.Do(r.Context(), req)
		answer(w, res, err)
	}
}

// badBody says what is wrong with a request's body.
func badBody(err error, hint string) *api.Error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return api.Wrong(e.Text, cmp.Or(e.Hint, hint))
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return api.Wrong(fmt.Sprintf("the body is longer than %d bytes", maxBody), hint)
	}
	return api.Wrong("the body is not a JSON object: "+strings.TrimPrefix(err.Error(), "json: "), hint)
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, api.AsError(err))
		return
	}
	write(w, http.StatusOK, v)
}

// Fail answers with an error as the API does.
func Fail(w http.ResponseWriter, err *api.Error) { fail(w, err) }

func fail(w http.ResponseWriter, err *api.Error) {
	err.Text = strings.TrimPrefix(err.Text, "proxy: ")
	write(w, err.Status, err)
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	enc.Encode(v) // an error means that the client has gone
}
