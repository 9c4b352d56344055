package main

import (
	"context"
	"log/slog"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/instance"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/sshd"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui"
)

// showRemote runs a console for a client over SSH, in the name of its key. Its end does not stop
// the instance, for which there is an act.
func showRemote(ctx context.Context, in *instance.Instance, s *sshd.Session) error {
	cfg, err := consoleConfig(&in.File().Console)
	if err != nil {
		slog.Warn("console: " + err.Error())
	}
	local := in.Local()
	cfg.Source, cfg.Instance, cfg.Where = operator{local, s.By, s.ReadOnly}, local.Node.Name, "@ssh"
	cfg.Attached, cfg.ReadOnly = true, s.ReadOnly
	cfg.Input, cfg.Output, cfg.Sizes, cfg.Env = s, s, s.Sizes, s.Env
	cfg.History, cfg.ThemeDir = "", "" // these belong to the instance's own user
	keepConsole(&cfg, "@ssh "+s.Fingerprint)
	if fleet := in.Fleet(); fleet != nil {
		cfg.Peer = func(node string) api.Source { return operator{fleet.PeerFor(node, s.By), s.By, s.ReadOnly} }
	}
	_, err = tui.Run(ctx, cfg)
	return err
}

// operator is a source that acts in the name of an operator, and refuses acts of a read-only one.
type operator struct {
	api.Planner
	by       string
	readOnly bool
}

func (o operator) Do(ctx context.Context, r api.Request) (api.Result, error) {
	if o.readOnly && !r.DryRun {
		return api.Result{}, api.Refused(r.Act+": this key may only look", "its line in authorized_keys says so")
	}
	r.By = o.by
	return o.Planner.Do(ctx, r)
}

func (o operator) Window(ctx context.Context, w api.WindowCall) (api.WindowAnswer, error) {
	if o.readOnly {
		return api.WindowAnswer{}, api.Refused("window: this key may only look", "its line in authorized_keys says so")
	}
	w.By = o.by
	return o.Planner.Window(ctx, w)
}
