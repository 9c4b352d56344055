package main

import (
	"github.com/spf13/pflag"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/protocol"
	"github.com/tcpctl/tcpctl/proxy"
)

// wsConnect holds the flags of ws that concern the backend: those of --connect (TCP in, WebSocket out) and of TLS to --remote.
type wsConnect struct {
	listen    string
	sslTarget bool // use TLS to --remote
	protocol.Connect
}

func (w *wsConnect) flags(f *pflag.FlagSet) {
	f.StringVar(&w.listen, "listen", "", "with --connect: listen for TCP clients on `ADDR`")
	f.StringVar(&w.URL, "connect", "", "connect TCP clients to the WebSocket at `URL` (ws://… or wss://…), such as another tcpctl behind an ingress")
	f.StringVar(&w.TokenFile, "token-file", "", "with --connect: send the token in `FILE` (Authorization: Bearer)")
	f.BoolVar(&w.sslTarget, "ssl-target", false, "use TLS to --remote")
	f.StringVar(&w.CA, "target-ca", "", "with --ssl-target or wss: `FILE` with the CAs of the target's certificate (default: the system's)")
	f.StringVar(&w.Name, "target-name", "", "with --ssl-target or wss: `NAME` in the target's certificate (default: the host)")
	f.BoolVar(&w.Insecure, "target-insecure", false, "with --ssl-target or wss: do not verify the target's certificate")
}

// forTCPClients refuses flags that do nothing with --connect: who gives --auth or --cert there must not believe that TCP
// clients are asked for it.
func forTCPClients(f *pflag.FlagSet) error {
	for _, name := range []string{"local", "remote", "ssl-target", "path", "host", "auth", "origin", "subprotocol", "encoding", "invalid-text", "web",
		"dot-files", "compression", "cert", "key", "client-ca", "header-timeout", "max-header", "trusted-proxy"} {
		if f.Changed(name) {
			return usage("--%s is for WebSocket clients, --listen and --connect are for TCP clients; they cannot be combined", name)
		}
	}
	return nil
}

// build completes the service that connects to a WebSocket.
func (w *wsConnect) build(b *bridge, c *proxy.ServiceConfig) error {
	if w.URL == "" || w.listen == "" {
		return usage("ws needs both --listen ADDR and --connect URL; try: tcpctl ws --listen 127.0.0.1:6379 --connect wss://ingress.example.com/redis")
	}
	c.Listen, w.Ping = []string{w.listen}, b.ws.Ping
	if err := w.Apply(c); err != nil {
		return coded{exitUsage, err}
	}
	return nil
}

// target configures TLS to the backend.
func (w *wsConnect) target(c *proxy.ServiceConfig) error {
	if !w.sslTarget {
		if w.CA != "" || w.Name != "" || w.Insecure {
			return usage("--target-ca, --target-name and --target-insecure are of --ssl-target; give that, too")
		}
		return nil
	}
	t := &proxy.BackendTLS{Name: w.Name, Insecure: w.Insecure, CA: w.CA}
	if err := t.Load(); err != nil {
		return usage("--target-ca: %v", err)
	}
	c.Backends[0].TLS = t
	return nil
}
