package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

const clusterLong = `Creates a cluster of nodes of the mesh, and changes its voters:

  init             create the cluster; once, on one of its voters
  add NODE         make NODE a voter; returns once it votes
  remove NODE      make NODE a client; it keeps serving
  lead NODE        make that voter the leader
  rejoin           remove this node's log, and rejoin with the leader's
  recover          go on with this node as the only voter, if the majority is
                   lost for good; needs --force
  slots SERVICE N  set the slots of a cluster-wide lock to N, on all nodes

With --dry-run each shows what it would do, and what would be lost.`

// clusterStatusCommand is a subcommand of the act "cluster".
func clusterStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show the cluster: its voters, its leader, and the role of this node", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			src := source(cmd)
			defer src.Close()
			st, err := src.Status(cmd.Context())
			if err != nil {
				return err
			}
			if st.Cluster == nil {
				return api.Refused("this instance is in no cluster", "give its configuration a [cluster] table with voters")
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), st.Cluster)
			}
			leading, err := leaderView(cmd.Context(), src, st.Cluster)
			if err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s, which alone knows leases and entries, does not answer: %v\n", st.Cluster.Leader, err)
			}
			printCluster(cmd.OutOrStdout(), st.Cluster, leading)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// leaderView returns the cluster as the leader sees it; nil: no leader is known.
func leaderView(ctx context.Context, src *control.Client, c *api.Cluster) (*api.Cluster, error) {
	if c.Leader == "" || c.Role == api.ClusterLeader {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := src.Peer(c.Leader).Status(ctx)
	if err != nil {
		return c, err
	}
	if st.Cluster == nil || st.Cluster.Role != api.ClusterLeader {
		return c, nil // another node leads now
	}
	return st.Cluster, nil
}

// printCluster prints a node's view c, with the leases and entries from the leader's view.
func printCluster(w io.Writer, c, leading *api.Cluster) {
	lease := "no lease: it grants no slots"
	if c.LeaseSeconds > 0 {
		lease = "lease " + text.Took(c.LeaseSeconds)
	}
	switch {
	case c.ID == "":
		fmt.Fprintln(w, "no cluster yet; tcpctl cluster init on one of the voters makes one")
	case c.Leader != "" && c.Term > 0:
		fmt.Fprintf(w, "cluster %s: %s leads (term %d, entry %d); this node: %s, %s\n", c.ID, c.Leader, c.Term, c.Applied, c.Role, lease)
	case c.Leader != "":
		fmt.Fprintf(w, "cluster %s: %s leads; this node: %s, %s\n", c.ID, c.Leader, c.Role, lease)
	case !c.Votes():
		fmt.Fprintf(w, "cluster %s; this node: %s, %s\n", c.ID, c.Role, lease)
	default:
		fmt.Fprintf(w, "cluster %s: no leader, no majority is reached; this node: %s, %s\n", c.ID, c.Role, lease)
	}
	if c.Error != "" {
		fmt.Fprintln(w, "this node does not vote: "+c.Error)
	}
	clusterTable(c, leading).print(w)
}

// clusterTable lists the voters, followed by other nodes that have a lease.
func clusterTable(c, leading *api.Cluster) table {
	shown := map[string]bool{}
	lease := func(id, name string) string {
		runs := 0.0
		for _, l := range leading.Leases {
			if l.ID == id || id == "" && l.Name == name { // the id of a future voter is not known yet
				shown[l.ID] = true
				runs = max(runs, l.LeaseSeconds)
			}
		}
		if runs > 0 {
			return text.Took(runs)
		}
		return "-"
	}
	t := table{{"NODE", "STATE", "REACHED", "LEASE", "ENTRY", "LAG"}}
	for i := range c.Voters {
		v := &c.Voters[i]
		seen := v // by the leader, which knows most
		if j := slices.IndexFunc(leading.Voters, func(o api.Voter) bool { return o.Name == v.Name }); j >= 0 {
			seen = &leading.Voters[j]
		}
		state, entry, lag, reached := "votes", "-", "-", "yes"
		switch {
		case seen.Leads:
			state = "leads"
		case leading.Term == 0 && !seen.Missing:
			state = "?" // a node that does not vote cannot know
		case seen.Learner:
			state = "catches up"
		case seen.Missing:
			state = "does not vote yet"
		}
		if n, known := leading.Lag(seen); known {
			entry, lag = fmt.Sprint(seen.Entry), fmt.Sprint(n)
		}
		if !v.Reached {
			reached = "no"
		}
		t = append(t, []string{v.Name, state, reached, lease(v.ID, v.Name), entry, lag})
	}
	for _, l := range leading.Leases {
		if !shown[l.ID] {
			t = append(t, []string{l.Name, "client", "-", lease(l.ID, l.Name), "-", "-"})
		}
	}
	return t
}
