// Package metrics exposes an engine to monitoring: /metrics for Prometheus, /healthz and /readyz
// for an outer load balancer or an orchestrator.
//
//	m, err := metrics.Open("127.0.0.1:9284", source, metrics.Options{Log: logger})
//	if err != nil {
//		return err
//	}
//	m.Start()
//	defer m.Close() // after the engine's end: until then it says "not ready"
//
// All numbers come from api.Status: nothing is counted a second time.
package metrics

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/connlimit"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/httpd"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Options are for one server.
type Options struct {
	Log *slog.Logger // nil: nothing is logged
	// Socket listens on the address already, for a process before this one;
	// nil: it is to be opened. It is the server's.
	Socket *os.File
	// MaxConns bounds the connections; at least 2.
	MaxConns int
	// Dropped counts what this process has thrown away, by a word that is a
	// label: "access_lines", "log_lines", "notify_events".
	Dropped map[string]func() uint64
}

// atATime bounds the concurrent scrapes.
const atATime = 4

// Open takes addr, "host:port", for source, which is served from Start on.
func Open(addr string, source api.Source, o Options) (*httpd.Server, error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	ln, err := relay.AdoptOrListen(o.Socket, addr, relay.Sock{})
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	h := &http.Server{
		Handler:  Handler(source, o),
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug), // errors of unknown clients are not worth more
	}
	connlimit.Bound(h, max(o.MaxConns, 2))
	return httpd.New(h, ln, func(err error) { o.Log.Warn("metrics are not served any more", "error", err) }), nil
}

// Handler is what the server of Open serves.
func Handler(source api.Source, o Options) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{source: source, dropped: o.Dropped},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: atATime}))
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", readyz(source))
	return mux
}

// healthz says that the process is alive.
func healthz(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// readyz says whether clients should be sent here. A service that is paused or holds its clients
// counts as ready: clients wait, whereas they would fail if an outer load balancer removed the
// node. It is not ready only if no service is open, for example during a stop.
func readyz(source api.Source) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), statusWait)
		defer cancel()
		status, err := source.Status(ctx)
		if err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		if !slices.ContainsFunc(status.Services, func(s proxy.ServiceInfo) bool { return s.State != proxy.StateClosed }) {
			http.Error(w, "not ready: no service is open", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	}
}
