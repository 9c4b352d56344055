package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// handlePlans serves reports and windows.
func (h *handler) handlePlans(mux *http.ServeMux, p api.Planner) {
	mux.HandleFunc("GET /v1/reports", func(w http.ResponseWriter, r *http.Request) {
		all, err := p.Reports(r.Context())
		answer(w, all, err)
	})
	report := func(w http.ResponseWriter, r *http.Request) {
		one, err := p.Report(r.Context(), r.PathValue("id"))
		answer(w, one, err)
	}
	mux.HandleFunc("GET /v1/reports/newest", report)
	mux.HandleFunc("GET /v1/reports/{id}", report)
	mux.HandleFunc("POST /v1/window", func(w http.ResponseWriter, r *http.Request) {
		var call api.WindowCall
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&call); err != nil {
			fail(w, badBody(err, `like {"service": "db", "max_seconds": 120}`))
			return
		}
		call.By = h.who(r)
		res, err := p.Window(r.Context(), call)
		answer(w, res, err)
	})
}

func (c *Client) Reports(ctx context.Context) (all []proxy.Report, err error) {
	err = c.get(ctx, "/v1/reports", nil, &all)
	return all, err
}

func (c *Client) Report(ctx context.Context, id string) (r proxy.Report, err error) {
	id = cmp.Or(id, "newest")
	err = c.get(ctx, "/v1/reports/"+url.PathEscape(id), nil, &r)
	return r, err
}

func (c *Client) Window(ctx context.Context, w api.WindowCall) (a api.WindowAnswer, err error) {
	body, err := json.Marshal(w)
	if err != nil {
		return a, err
	}
	err = c.call(ctx, http.MethodPost, "/v1/window", nil, bytes.NewReader(body), &a)
	return a, err
}
