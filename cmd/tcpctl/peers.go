package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy/api"
)

func peersCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "peers", Short: "Show the other nodes of the mesh", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			src := source(cmd)
			defer src.Close()
			st, err := src.Status(cmd.Context())
			if err != nil {
				return err
			}
			if st.Mesh == nil {
				return api.Refused("this instance is in no mesh", "give its configuration a [mesh] table, with a name")
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), st.Mesh)
			}
			m := st.Mesh
			t := table{{"NODE", "ADDRESS", "STATE", "RTT", "UP", "QUEUE", "SEEN", "FOUND BY", "VERSION", ""}}
			t = append(t, []string{m.Node, m.Listen, "+ self", "-", "", "", "-", "", st.Node.Version, ""})
			for i := range m.Peers {
				t = append(t, peerRow(st, &m.Peers[i]))
			}
			t.print(cmd.OutOrStdout())
			for _, s := range m.Sources {
				if s.Warning != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s: %s\n", s.Name, s.Warning)
				}
			}
			if !m.Secret {
				fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: without a secret, peers see names and states and cannot act; tcpctl mesh key makes one")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func peerRow(st *api.Status, p *api.Peer) []string {
	up, of, queue := p.Up()
	seen, rtt, note := "-", "-", p.Why
	if !p.Seen.IsZero() {
		seen = ago(st.Node.Now.Sub(p.Seen).Seconds())
	}
	if p.RTTSeconds > 0 {
		rtt = fmt.Sprintf("%.1fms", p.RTTSeconds*1000)
	}
	if p.Cause != "" {
		note = string(p.Cause)
	}
	sign := map[string]string{"alive": "+", "suspect": "~", "down": "!"}[string(p.State)]
	return []string{p.Name, p.Addr, sign + " " + string(p.State), rtt, fmt.Sprintf("%d/%d", up, of), fmt.Sprint(queue),
		seen, p.FoundBy, p.Version, note}
}
