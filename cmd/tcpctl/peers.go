package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func peersCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "peers", Short: "Show the other nodes of the mesh", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			if everywhere(cmd) {
				return readEverywhere(cmd, asJSON, withMesh, peersHead(), peerRows, func(_ string, st *api.Status) []any { return []any{st.Mesh} })
			}
			src := source(cmd)
			defer src.Close()
			st, err := withMesh(cmd.Context(), src)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), st.Mesh)
			}
			append(table{peersHead()}, peerRows(st)...).print(cmd.OutOrStdout())
			for _, s := range st.Mesh.Sources {
				if s.Warning != "" {
					fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s: %s\n", s.Name, s.Warning)
				}
			}
			for _, hub := range st.Mesh.UnknownHubs() {
				fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: hub %s is not known; %s\n", hub, api.HubHint)
			}
			if !st.Mesh.Secret {
				fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: without a secret, peers see names and states but cannot act; tcpctl mesh key makes one")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return takesAll(cmd)
}

// withMesh returns the status of an instance, or an error if it is in no mesh.
func withMesh(ctx context.Context, src api.Source) (*api.Status, error) {
	st, err := src.Status(ctx)
	if err == nil && st.Mesh == nil {
		err = api.Refused("this instance is in no mesh", "give its configuration a [mesh] table with a name")
	}
	return st, err
}

func peersHead() []string {
	return []string{"NODE", "ADDRESS", "STATE", "RTT", "UP", "QUEUE", "SEEN", "FOUND BY", "VERSION", ""}
}

// strangersShown bounds the strangers shown, as any machine on the network can invent more.
const strangersShown = 10

// peerRows returns the rows of this node, its peers, and last the strangers.
func peerRows(st *api.Status) [][]string {
	m := st.Mesh
	t := [][]string{{cmp.Or(m.Label, m.Node), m.Listen, "+ self", "-", "", "", "-", "", st.Node.Version, ""}}
	var strangers [][]string
	for i := range m.Peers {
		if p := &m.Peers[i]; p.Stranger() {
			strangers = append(strangers, peerRow(st, p))
		} else {
			t = append(t, peerRow(st, p))
		}
	}
	for _, r := range m.Refused {
		if !slices.ContainsFunc(m.Peers, func(p api.Peer) bool { return p.ID == r.ID && r.ID != "" }) {
			strangers = append(strangers, []string{r.Peer, r.Addr, "- refused", "-", "", "", text.Took(st.Node.Now.Sub(r.Last).Seconds()), "", "", refusalText(&r)})
		}
	}
	more := len(strangers) - strangersShown
	if more > 0 {
		strangers = append(strangers[:strangersShown], []string{fmt.Sprintf("\x00and %d more that were refused, or never answered", more)})
	}
	return append(t, strangers...)
}

func refusalText(r *meshinfo.Refusal) string {
	text := cmp.Or(r.Detail, string(r.Reason))
	if r.ByPeer {
		text = "it refused us: " + text
	}
	return text
}

func peerRow(st *api.Status, p *api.Peer) []string {
	up, of, queue := p.Up()
	eligible, waiting := fmt.Sprintf("%d/%d", up, of), fmt.Sprint(queue)
	seen, rtt, note := "-", "-", strings.TrimPrefix(p.Detail, "mesh: ")
	if !p.Seen.IsZero() {
		seen = text.Took(st.Node.Now.Sub(p.Seen).Seconds())
	}
	if p.RTTSeconds > 0 {
		rtt = fmt.Sprintf("%.1fms", p.RTTSeconds*1000)
	}
	if p.Cause != "" {
		note = string(p.Cause)
	}
	if p.Via != "" {
		note = "through " + p.Via
	}
	if p.Unreadable != "" {
		eligible, waiting, note = "?", "?", p.Unreadable
	}
	sign := map[meshinfo.State]string{meshinfo.Alive: "+", meshinfo.Suspect: "~", meshinfo.Down: "!", meshinfo.Refused: "-"}[p.State]
	if p.Stranger() {
		eligible, waiting, note = "", "", cmp.Or(note, "not reached yet")
	}
	return []string{p.Called(), p.Addr, sign + " " + string(p.State), rtt, eligible, waiting, seen, p.FoundBy, p.Version, note}
}
