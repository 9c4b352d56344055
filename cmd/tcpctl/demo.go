package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/demo"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
)

func demoCommand() *cobra.Command {
	var l launch
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try tcpctl on loopback, with built-in backends and clients",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := demo.New()
			if err != nil {
				return err
			}
			defer d.Close()
			l.noUpgrade = "the demo's backends and clients live in this process"
			l.grace = min(l.grace, 2*time.Second) // its clients never stop coming
			secret := mesh.NewSecret()
			l.mesh = demo.Mesh("demo-1", secret)
			in, err := l.start(cmd, config.New(), proxy.Config{Services: d.Services()})
			if err != nil {
				return err
			}
			listen := func(service string) string { return in.Engine().Service(service).Info().Listen[0] }
			d.Start(listen("web"), listen("office"), listen("desk"))
			if err := d.Neighbours(2, secret, fmt.Sprintf("127.0.0.1:%d", in.Fleet().Addr().Port)); err != nil {
				in.Close()
				return err
			}
			if length > 0 {
				timer := time.AfterFunc(length, func() { in.Stop(time.Second, "demo --for", "") })
				defer timer.Stop()
			}
			if !in.HasConsole() {
				fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: the demo runs; try tcpctl status, tcpctl queue office, tcpctl events -f")
				fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: a WebSocket client to try is on http://%s/\n", listen("desk"))
			}
			return in.Serve()
		},
	}
	durationVar(cmd.Flags(), &length, "for", 0, "stop after this time (default: run until stopped)")
	launchFlags(cmd, &l)
	return cmd
}
