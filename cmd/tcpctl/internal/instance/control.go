package instance

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/httpd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/metrics"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// openControl opens the control socket at the configured or default path. If the default is taken
// and there is no configuration file, it uses a path that no other process has.
func (in *Instance) openControl() (*control.Server, error) {
	path := cmp.Or(in.c.Socket, in.file.Control.Socket)
	o := control.Options{Node: in.node, Version: in.c.Version, Log: in.log.Logger, Mode: in.file.Control.Mode, Group: in.file.Control.Group,
		MaxConns: proxy.NewDescriptors(0).Control}
	if in.fleet != nil {
		o.Peers = in.fleet
	}
	if in.predecessor != nil {
		path, o.Socket = in.predecessor.Offer.Control, in.predecessor.Offer.ControlSocket
	}
	if path != "" {
		s, err := control.Open(path, in.local, o)
		if errors.Is(err, control.ErrTaken) {
			return nil, fmt.Errorf("%w; give another place with --socket", err)
		}
		return s, err
	}
	s, err := control.Open(control.DefaultPath(), in.local, o)
	if !errors.Is(err, control.ErrTaken) {
		return s, err
	}
	if in.c.Path != "" {
		return nil, fmt.Errorf("%w; stop it (tcpctl stop), or give another place with --socket", err)
	}
	path = control.OwnPath()
	in.log.Info("the default control socket is another instance's: use --socket " + path)
	return control.Open(path, in.local, o)
}

// openMetrics opens the address for metrics; "" means none. It uses the predecessor's socket if
// that listens on the address.
func (in *Instance) openMetrics(addr string) (*httpd.Server, error) {
	if addr == "" {
		return nil, nil
	}
	var socket *os.File
	if p := in.predecessor; p != nil && p.Offer.MetricsAddr == addr {
		socket, p.Offer.Metrics = p.Offer.Metrics, nil
	}
	s, err := metrics.Open(addr, in.local, metrics.Options{Log: in.log.Logger, Socket: socket, MaxConns: proxy.NewDescriptors(0).Metrics,
		Dropped: map[string]func() uint64{"access_lines": in.access.Lost, "log_lines": in.log.Lost, "notify_events": in.notify.Dropped,
			"history_seconds": in.history.LostSeconds, "history_events": in.history.LostEvents}})
	return s, proxy.ListenHint(addr, err)
}

// followersHandler serves the requests that later processes of the instance may send, and names
// them in acts.
func (in *Instance) followersHandler() http.Handler {
	here := &api.Local{Engine: in.engine, Node: in.local.Node, By: in.local.By, Stop: in.Stop, Process: in.local.Process}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+quietPath, in.serveQuiet)
	mux.HandleFunc("POST "+carryPath, in.member.serveCarry)
	mux.Handle("/", control.NewHandler(here, func(r *http.Request) string {
		if by := r.Header.Get(control.PeerHeader); by != "" {
			return by
		}
		return fmt.Sprintf("a successor of process %d", os.Getpid())
	}))
	return mux
}
