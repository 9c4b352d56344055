package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

var _ api.Historian = (*Client)(nil)

// handleHistory serves the source's history.
func (h *handler) handleHistory(mux *http.ServeMux, past api.History) {
	mux.HandleFunc("GET /v1/history", func(w http.ResponseWriter, r *http.Request) {
		info, err := past.Remembered(r.Context())
		answer(w, info, err)
	})
	serve(mux, "timeline", func(r *http.Request, q *query) ([]proxy.Event, error) {
		return past.Timeline(r.Context(), api.TimelineQuery{Stretch: q.stretch(), Kind: q.Get("kind"), By: q.Get("by"), Limit: q.count("limit")})
	})
	serve(mux, "moment", func(r *http.Request, q *query) (*api.Moment, error) {
		at := q.time("at")
		if at.IsZero() && q.err == nil {
			return nil, api.Wrong("at is missing", "like at=2026-11-28T03:00:00Z")
		}
		return past.Moment(r.Context(), at)
	})
	serve(mux, "series", func(r *http.Request, q *query) ([]api.Series, error) {
		return past.Series(r.Context(), api.SeriesQuery{Stretch: q.stretch(), Backends: q.Get("backends") == "1", Backend: q.Get("backend"), Points: q.count("points")})
	})
	serve(mux, "top", func(r *http.Request, q *query) (*api.Top, error) {
		return past.Top(r.Context(), api.TopQuery{Stretch: q.stretch(), By: q.Get("by"), Group: q.Get("group"), Limit: q.count("limit")})
	})
	serve(mux, "incident", func(r *http.Request, q *query) (*api.Incident, error) {
		return past.Incident(r.Context(), q.stretch())
	})
}

// serve answers one path below /v1/history.
func serve[T any](mux *http.ServeMux, name string, ask func(*http.Request, *query) (T, error)) {
	mux.HandleFunc("GET /v1/history/"+name, func(w http.ResponseWriter, r *http.Request) {
		q := &query{Values: r.URL.Query()}
		q.stretch()
		q.count("limit")
		q.count("points")
		q.time("at")
		if q.err != nil {
			fail(w, q.err)
			return
		}
		v, err := ask(r, q)
		answer(w, v, err)
	})
}

// query has a request's parameters, and the first parse error.
type query struct {
	url.Values
	err *api.Error
}

func (q *query) stretch() api.Stretch {
	return api.Stretch{Since: q.time("since"), Until: q.time("until"), Service: q.Get("service")}
}

func (q *query) time(key string) time.Time {
	text := q.Get(key)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && q.err == nil {
		q.err = api.Wrong(fmt.Sprintf("%s %q is not a time of RFC 3339", key, text), "like 2026-11-28T03:00:00Z")
	}
	return t
}

func (q *query) count(key string) int {
	text := q.Get(key)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil && q.err == nil {
		q.err = api.Wrong(fmt.Sprintf("%s %q is not a whole number from 0 to 2147483647", key, text), "like 100")
	}
	return int(n)
}

func (c *Client) Remembered(ctx context.Context) (i api.HistoryInfo, err error) {
	err = c.get(ctx, "/v1/history", nil, &i)
	return i, err
}

func (c *Client) Timeline(ctx context.Context, q api.TimelineQuery) (all []proxy.Event, err error) {
	v := valuesOf(q.Stretch)
	set(v, "kind", q.Kind)
	set(v, "by", q.By)
	setCount(v, "limit", q.Limit)
	err = c.get(ctx, "/v1/history/timeline", v, &all)
	return all, err
}

func (c *Client) Moment(ctx context.Context, at time.Time) (*api.Moment, error) {
	m := new(api.Moment)
	return m, c.get(ctx, "/v1/history/moment", url.Values{"at": {at.Format(time.RFC3339Nano)}}, m)
}

func (c *Client) Series(ctx context.Context, q api.SeriesQuery) (all []api.Series, err error) {
	v := valuesOf(q.Stretch)
	if q.Backends {
		v.Set("backends", "1")
	}
	set(v, "backend", q.Backend)
	setCount(v, "points", q.Points)
	err = c.get(ctx, "/v1/history/series", v, &all)
	return all, err
}

func (c *Client) Top(ctx context.Context, q api.TopQuery) (*api.Top, error) {
	v := valuesOf(q.Stretch)
	set(v, "by", q.By)
	set(v, "group", q.Group)
	setCount(v, "limit", q.Limit)
	top := new(api.Top)
	return top, c.get(ctx, "/v1/history/top", v, top)
}

func (c *Client) Incident(ctx context.Context, q api.Stretch) (*api.Incident, error) {
	i := new(api.Incident)
	return i, c.get(ctx, "/v1/history/incident", valuesOf(q), i)
}

func valuesOf(s api.Stretch) url.Values {
	v := url.Values{}
	if !s.Since.IsZero() {
		v.Set("since", s.Since.Format(time.RFC3339Nano))
	}
	if !s.Until.IsZero() {
		v.Set("until", s.Until.Format(time.RFC3339Nano))
	}
	set(v, "service", s.Service)
	return v
}

func set(v url.Values, key, value string) {
	if value != "" {
		v.Set(key, value)
	}
}

func setCount(v url.Values, key string, n int) {
	if n > 0 {
		v.Set(key, strconv.Itoa(n))
	}
}
