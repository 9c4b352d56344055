package main

import (
	"cmp"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/protocol"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/health"
)

// bridge holds the flags of ws that proxy does not have.
type bridge struct {
	local, remote, check string
	ws                   config.WS
	maxHeader            string
	trusted              []string
	tls                  config.TLS
	connect              wsConnect
}

func wsCommand() *cobra.Command {
	var l launch
	c := proxy.ServiceConfig{}
	b := bridge{ws: config.NewWS()}
	cmd := &cobra.Command{
		Use:   "ws --local ADDR --remote ADDR | ws --listen ADDR --connect URL",
		Short: "Bridge WebSocket clients to a TCP service",
		Long: `Accepts WebSocket clients and connects them to one TCP service. Frames to a
client are binary, or text if it asks for them with ?encoding=text. The bridge
connects to the service before it answers the handshake: a client that cannot be
served gets 502, 503 or 504.

With --listen and --connect it is the other end: it accepts TCP clients and
connects them to a WebSocket, so that two instances carry TCP through an HTTP
proxy or ingress. A client's half-close reaches the service, unless a proxy in
between closes both directions at once, as nginx does.`,
		Example: `  tcpctl ws --local 0.0.0.0:8080 --remote 127.0.0.1:5900 --web /usr/share/novnc
  tcpctl ws --local :8443 --remote 127.0.0.1:6379 --cert desk.pem --key desk.key --origin https://app.example.com
  tcpctl ws --listen 127.0.0.1:6379 --connect wss://ingress.example.com/redis --token-file token.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.build(cmd.Flags(), &c); err != nil {
				return err
			}
			return runService(cmd, c, &l)
		},
	}
	b.flags(cmd.Flags(), &c)
	serviceFlags(cmd, &c, "ws", &b.check)
	// Servers that speak first count connections without a login and would block the bridge because
	// of checks: TigerVNC after five, MySQL after max_connect_errors.
	b.check = health.Passive
	cmd.Flags().Lookup("check").DefValue = health.Passive
	// A waiting page shows nothing, so answer at once that there is no backend.
	c.NoBackend = proxy.Reject
	cmd.Flags().Lookup("no-backend").DefValue = proxy.Reject
	b.connect.flags(cmd.Flags())
	launchFlags(cmd, &l)
	return cmd
}

func (b *bridge) flags(f *pflag.FlagSet, c *proxy.ServiceConfig) {
	f.StringVar(&b.local, "local", "", "listen on `ADDR` (host:port, :port, unix:PATH)")
	f.StringVar(&b.remote, "remote", "", "`ADDR` of the TCP service")
	f.StringVar(&b.ws.Path, "path", b.ws.Path, "path of the WebSocket")
	f.StringSliceVar(&b.ws.Hosts, "host", nil, "answer handshakes for `NAME` only (default: any; on loopback: addresses, localhost and the listen address)")
	f.StringVar(&b.ws.Auth, "auth", "", "require credentials: basic:`FILE` (htpasswd, bcrypt) or token:FILE (one per line)")
	f.StringArrayVar(&b.ws.Origins, "origin", nil, "allow web pages of `ORIGIN`, besides the same host; repeatable")
	f.StringSliceVar(&b.ws.Subprotocols, "subprotocol", b.ws.Subprotocols, "accept subprotocol `NAME`; \"*\": the client's first offer")
	f.StringVar(&b.ws.Encoding, "encoding", b.ws.Encoding, "frames sent to clients unless they ask with ?encoding=: binary or text")
	f.StringVar(&b.ws.InvalidText, "invalid-text", b.ws.InvalidText, "what happens to text that is not UTF-8: close or replace")
	f.StringVar(&b.ws.Web, "web", "", "serve static files from `DIR` as well")
	f.BoolVar(&b.ws.DotFiles, "dot-files", false, "with --web: also serve files whose names begin with a dot")
	durationVar(f, &b.ws.Ping, "ping", b.ws.Ping, "how often clients are pinged; 0: never")
	f.BoolVar(&b.ws.Compression, "compression", false, "offer compression (permessage-deflate)")
	f.StringVar(&b.tls.Cert, "cert", "", "TLS: certificate `FILE`")
	f.StringVar(&b.tls.Key, "key", "", "TLS: private key `FILE`")
	f.StringVar(&b.tls.ClientCA, "client-ca", "", "TLS: require client certificates signed by a CA in `FILE`")
	durationVar(f, &b.ws.HandshakeTimeout, "header-timeout", b.ws.HandshakeTimeout, "how long a client may take to send its complete request header")
	f.StringVar(&b.maxHeader, "max-header", b.ws.MaxHeader.String(), "largest request header, in bytes or with a unit")
	f.IntVar(&c.MaxSessions, "max-sessions", 0, "most sessions; other clients wait (default: no limit)")
	f.IntVar(&c.MaxSessionsPerIP, "max-sessions-per-ip", 0, "most sessions from one address (default: no limit)")
	f.IntVar(&c.Queue.Max, "queue-max", 0, "most clients that may wait (default 1000)")
	f.IntVar(&c.SendProxy, "send-proxy", 0, "send the client's address to the service in a PROXY header, version 1 or 2")
	f.StringSliceVar(&b.trusted, "trusted-proxy", nil, "trust X-Forwarded-For, -Host, Forwarded and X-Real-IP from this address or `CIDR`")
}

// build completes the service from the flags.
func (b *bridge) build(f *pflag.FlagSet, c *proxy.ServiceConfig) (err error) {
	if b.connect.URL != "" || b.connect.listen != "" {
		if err := forTCPClients(f); err != nil {
			return err
		}
		if err := parseCheck(b.check, &c.Check); err != nil {
			return err
		}
		return b.connect.build(b, c)
	}
	if err := b.read(c); err != nil {
		return err
	}
	c.Listen, c.Backends = []string{b.local}, []proxy.BackendConfig{{Addr: b.remote}}
	if err := b.connect.target(c); err != nil {
		return err
	}
	if b.tls.Cert != "" {
		if c.TLS, err = protocol.TLS(b.tls.Cert, b.tls.Key, b.tls.ClientCA, slog.Default()); err != nil {
			return usage("%s", protocol.WithHint(err))
		}
	}
	if c.Protocol, err = protocol.NewWebSocket(b.ws, nil); err != nil {
		return usage("%s", protocol.WithHint(err))
	}
	return nil
}

// read checks the flags of a bridge for WebSocket clients, and parses those that are text.
func (b *bridge) read(c *proxy.ServiceConfig) (err error) {
	if b.local == "" || b.remote == "" {
		return usage("ws needs --local ADDR and --remote ADDR; try: tcpctl ws --local 0.0.0.0:8080 --remote 127.0.0.1:5900")
	}
	if (b.tls.Cert == "") != (b.tls.Key == "") || b.tls.ClientCA != "" && b.tls.Cert == "" {
		return usage("TLS needs both --cert FILE and --key FILE; give both, or leave out TLS")
	}
	if b.connect.TokenFile != "" {
		return usage("--token-file is what --connect sends; to ask WebSocket clients for a token, give --auth token:%s", b.connect.TokenFile)
	}
	if b.ws.DotFiles && b.ws.Web == "" {
		return usage("--dot-files is for the files of --web; give both")
	}
	if b.ws.Encoding != "binary" && b.ws.Encoding != "text" {
		return usage("--encoding %q is not known; use binary or text", b.ws.Encoding)
	}
	if b.ws.InvalidText != "close" && b.ws.InvalidText != "replace" {
		return usage("--invalid-text %q is not known; use close or replace", b.ws.InvalidText)
	}
	if b.ws.MaxHeader, err = config.ParseSize(b.maxHeader); err != nil {
		return usage("--max-header: %v", err)
	}
	wrong := func(key, hint, format string, args ...any) {
		err = cmp.Or(err, usage(format+"; %s", append(args, hint)...))
	}
	b.ws.Check(wrong)
	b.ws.CheckOrigins(wrong)
	if err != nil {
		return err
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
			return usage("--web %s is not a folder; give one with static files, such as /usr/share/novnc", b.ws.Web)
		}
	}
	return nil
}
