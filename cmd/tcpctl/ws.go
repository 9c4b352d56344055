package main

import (
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/protocol"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/health"
)

// bridge is what the flags of ws say that is no part of a proxy's.
type bridge struct {
	local, remote, check string
	ws                   config.WS
	maxHeader            string
	trusted              []string
	tls                  config.TLS
}

func wsCommand() *cobra.Command {
	var l launch
	c := proxy.ServiceConfig{}
	b := bridge{ws: config.NewWS()}
	cmd := &cobra.Command{
		Use:   "ws --local ADDR --remote ADDR",
		Short: "Bridge WebSocket clients to a TCP service",
		Long: `Takes WebSocket clients and connects them to one TCP service. Frames to the
client are binary, or text for one that asks with ?encoding=text. The service is
reached before the handshake is answered: a client is told 502, 503 or 504
where it cannot be served.`,
		Example: `  tcpctl ws --local 0.0.0.0:8080 --remote 127.0.0.1:5900 --web /usr/share/novnc
  tcpctl ws --local :8443 --remote 127.0.0.1:6379 --cert desk.pem --key desk.key --origin https://app.example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.build(&c); err != nil {
				return err
			}
			return runService(cmd, c, &l)
		},
	}
	f := cmd.Flags()
	f.StringVar(&b.local, "local", "", "listen on `ADDR` (host:port, :port, unix:PATH)")
	f.StringVar(&b.remote, "remote", "", "the TCP service's `ADDR`")
	f.StringVar(&b.ws.Path, "path", b.ws.Path, "where the WebSocket is")
	f.StringSliceVar(&b.ws.Hosts, "host", nil, "answer handshakes for `NAME` only (default: any; on loopback: addresses, localhost and the listen address)")
	f.StringArrayVar(&b.ws.Origins, "origin", nil, "let pages of `ORIGIN` in besides those of the same host; may be given again")
	f.StringSliceVar(&b.ws.Subprotocols, "subprotocol", b.ws.Subprotocols, "agree to `NAME` where a client offers it; \"*\": to what it offers first")
	f.StringVar(&b.ws.Encoding, "encoding", b.ws.Encoding, "frames to clients that do not ask: binary or text")
	f.StringVar(&b.ws.InvalidText, "invalid-text", b.ws.InvalidText, "text that is not UTF-8: close or replace")
	f.StringVar(&b.ws.Web, "web", "", "serve the static files in `DIR`, too")
	f.BoolVar(&b.ws.DotFiles, "dot-files", false, "with --web: those whose names begin with a dot, too")
	f.DurationVar(&b.ws.Ping, "ping", b.ws.Ping, "how often clients are pinged; 0 is never")
	f.BoolVar(&b.ws.Compression, "compression", false, "agree to permessage-deflate")
	f.StringVar(&b.tls.Cert, "cert", "", "TLS: the certificate's `FILE`")
	f.StringVar(&b.tls.Key, "key", "", "TLS: the key's `FILE`")
	f.StringVar(&b.tls.ClientCA, "client-ca", "", "TLS: clients need a certificate signed by that in `FILE`")
	f.DurationVar(&b.ws.HandshakeTimeout, "header-timeout", b.ws.HandshakeTimeout, "how long a client's headers may take as a whole")
	f.StringVar(&b.maxHeader, "max-header", b.ws.MaxHeader.String(), "how long they may be")
	f.IntVar(&c.MaxSessions, "max-sessions", 0, "how many clients are served at a time; more wait (default: no limit)")
	f.IntVar(&c.MaxSessionsPerIP, "max-sessions-per-ip", 0, "how many may come from one address (default: no limit)")
	f.IntVar(&c.Queue.Max, "queue-max", 0, "how many may wait (default 1000)")
	f.IntVar(&c.SendProxy, "send-proxy", 0, "tell the service the client's address by a PROXY header of version 1 or 2")
	f.StringSliceVar(&b.trusted, "trusted-proxy", nil, "believe X-Forwarded-For, -Host, Forwarded and X-Real-IP from this address or `CIDR`")
	serviceFlags(cmd, &c, "ws", &b.check)
	// Servers that speak first count strangers, and turn the bridge away with
	// them: TigerVNC after five, MySQL after max_connect_errors.
	b.check = health.Passive
	f.Lookup("check").DefValue = health.Passive
	// Nobody looks at a page that waits: say at once that there is no backend.
	c.NoBackend = proxy.Reject
	f.Lookup("no-backend").DefValue = proxy.Reject
	launchFlags(cmd, &l)
	return cmd
}

// build makes the service of the flags.
func (b *bridge) build(c *proxy.ServiceConfig) (err error) {
	if b.local == "" || b.remote == "" {
		return usage("ws needs --local ADDR and --remote ADDR; try: tcpctl ws --local 0.0.0.0:8080 --remote 127.0.0.1:5900")
	}
	if (b.tls.Cert == "") != (b.tls.Key == "") || b.tls.ClientCA != "" && b.tls.Cert == "" {
		return usage("TLS needs both --cert and --key")
	}
	if !strings.HasPrefix(b.ws.Path, "/") {
		return usage("--path %q does not begin with a slash", b.ws.Path)
	}
	if b.ws.InvalidText != "close" && b.ws.InvalidText != "replace" {
		return usage("--invalid-text %q is not known; it is close or replace", b.ws.InvalidText)
	}
	if b.ws.MaxHeader, err = config.ParseSize(b.maxHeader); err != nil {
		return usage("--max-header: %v", err)
	}
	if b.ws.MaxHeader < 4<<10 {
		return usage("--max-header %s: browsers send more than that; 4KiB is the least", b.maxHeader)
	}
	for _, text := range b.trusted {
		network, err := config.ParsePrefix(text)
		if err != nil {
			return usage("--trusted-proxy: %v", err)
		}
		c.TrustedProxies = append(c.TrustedProxies, network)
	}
	if err := parseCheck(b.check, &c.Check); err != nil {
		return err
	}
	if b.ws.Web != "" {
		if info, err := os.Stat(b.ws.Web); err != nil || !info.IsDir() {
			return usage("--web %s is no folder", b.ws.Web)
		}
	}
	c.Listen, c.Backends = []string{b.local}, []proxy.BackendConfig{{Addr: b.remote}}
	if b.tls.Cert != "" {
		if c.TLS, err = protocol.TLS(b.tls.Cert, b.tls.Key, b.tls.ClientCA, slog.Default()); err != nil {
			return coded{exitUsage, err}
		}
	}
	if c.Protocol, err = protocol.NewWebSocket(b.ws, nil); err != nil {
		return coded{exitUsage, err}
	}
	return nil
}
