package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// quietPath is where an earlier process is told which of its sessions a quiet drain ends.
const quietPath = "/v1/quiet"

// quiet passes the quiet drains on to all earlier processes.
func (g *predecessors) quiet(q proxy.QuietDrains) {
	ctx, cancel := context.WithTimeout(g.ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(q)
	for _, p := range g.sources() {
		if err == nil {
			err = post(ctx, p.Engine, quietPath, body)
		}
		if err != nil && ctx.Err() == nil {
			g.engine.Operator().Note(proxy.Event{Kind: proxy.EventEngine, Level: proxy.LevelWarn, Service: q.Service,
				Text: fmt.Sprintf("the sessions of process %d do not end at a quiet moment: %v", p.PID, err)})
		}
		err = nil
	}
}

// post sends a body to the socket of an earlier process.
func post(ctx context.Context, addr, path string, body []byte) error {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", addr)
	}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tcpctl"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// mostQuiet bounds the body of such a request.
const mostQuiet = 4 << 20

// serveQuiet receives quiet drains from a successor.
func (in *Instance) serveQuiet(w http.ResponseWriter, r *http.Request) {
	var q proxy.QuietDrains
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostQuiet)).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	proxy.HandoverOf(in.engine).EndQuiet(q)
	w.WriteHeader(http.StatusNoContent)
}
