package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/health"
)

func proxyCommand() *cobra.Command {
	var l launch
	c := proxy.ServiceConfig{}
	var backends []string
	var check string
	cmd := &cobra.Command{
		Use:   "proxy --listen ADDR --backend ADDR...",
		Short: "Run one balanced service over health-checked backends",
		Example: `  tcpctl proxy --listen :6379 --backend 10.0.0.11:6379 --backend 10.0.0.12:6379,weight=2
  tcpctl proxy --listen :80 --backend 10.0.0.11:8080,check=8081 --check http:/health`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(c.Listen) == 0 || len(backends) == 0 {
				return usage("proxy needs --listen ADDR and at least one --backend ADDR; try: tcpctl proxy --listen :6379 --backend 10.0.0.11:6379")
			}
			for _, text := range backends {
				b, err := proxy.ParseBackend(text)
				if bad, ok := errors.AsType[*proxy.ValueError](err); ok {
					return usage("--backend %q: %w", text, bad)
				} else if err != nil {
					return usage("--%v", err)
				}
				c.Backends = append(c.Backends, b)
			}
			if err := parseCheck(check, &c.Check); err != nil {
				return err
			}
			return runService(cmd, c, &l)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&c.Listen, "listen", nil, "listen on `ADDR` (host:port, :port, unix:PATH); repeatable")
	f.StringArrayVar(&backends, "backend", nil, "backend, `ADDR`[,weight=N][,priority=N][,check=PORT][,max_sessions=N][,name=NAME][,tls=verify|noverify][,tls_name=NAME][,ca=FILE]; repeatable")
	serviceFlags(cmd, &c, "proxy", &check)
	f.StringVar(&c.Balance, "balance", "random", "how a backend is chosen: random (weighted), roundrobin, leastconn, p2c, source or first")
	launchFlags(cmd, &l)
	return cmd
}

// serviceFlags gives a command the flags of one service.
func serviceFlags(cmd *cobra.Command, c *proxy.ServiceConfig, name string, check *string) {
	f := cmd.Flags()
	f.StringVar(&c.Name, "name", name, "name of the service")
	f.StringVar(check, "check", health.TCP, "how backends are checked: tcp, http[:PATH], passive (only after clients failed to connect) or none")
	f.StringVar(&c.NoBackend, "no-backend", proxy.Hold, "what happens to clients while no backend is up: hold or reject")
	durationVar(f, &c.Queue.Timeout, "queue-timeout", 0, "longest wait of a client in the queue (default 30s)")
	durationVar(f, &c.ConnectTimeout, "connect-timeout", 0, "time limit of a connect to a backend (default 3s)")
	durationVar(f, &c.IdleTimeout, "idle-timeout", 0, "end sessions that carry no data for this long (default: never)")
	f.StringVar(&c.Relay, "relay", "auto", "how data is copied: auto, loop (epoll, splice) or stream (goroutines)")
}

// parseCheck reads tcp, http, http:/path, passive or none.
func parseCheck(text string, c *proxy.CheckConfig) error {
	kind, path, _ := strings.Cut(text, ":")
	c.Type = kind
	switch {
	case kind == health.HTTP && (path == "" || strings.HasPrefix(path, "/")):
		c.Path = path
		return nil
	case (kind == health.TCP || kind == health.Passive || kind == health.None) && path == "":
		return nil
	}
	return usage("--check %q is not known; use tcp, http, http:/PATH, passive or none", text)
}

// runService runs an engine with one service.
func runService(cmd *cobra.Command, c proxy.ServiceConfig, l *launch) error {
	return l.run(cmd, config.New(), proxy.Config{Services: []proxy.ServiceConfig{c}})
}
