package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// clusterStatusCommand is below the act "cluster", which changes what it shows.
func clusterStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show the cluster: who votes, who leads, and what this node is", Args: cobra.NoArgs,
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
			printCluster(cmd.OutOrStdout(), st.Cluster)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func printCluster(w io.Writer, c *api.Cluster) {
	switch {
	case c.ID == "":
		fmt.Fprintln(w, "no cluster yet; tcpctl cluster init on one of the voters makes one")
	case c.Leader != "":
		fmt.Fprintf(w, "cluster %s: %s leads (term %d, entry %d); this node: %s\n", c.ID, c.Leader, c.Term, c.Applied, c.Role)
	case c.Role == api.ClusterClient:
		fmt.Fprintf(w, "cluster %s; this node: %s\n", c.ID, c.Role)
	default:
		fmt.Fprintf(w, "cluster %s: no leader, no majority is reached; this node: %s\n", c.ID, c.Role)
	}
	if c.Error != "" {
		fmt.Fprintln(w, "this node does not vote: "+c.Error)
	}
	t := table{{"VOTER", "STATE", "REACHED", "ENTRY"}}
	for _, v := range c.Voters {
		state, entry, reached := "votes", "-", "yes"
		switch {
		case c.Term == 0 && !v.Missing:
			state = "?" // a node that does not vote does not know
		case v.Leads:
			state = "leads"
		case v.Learner:
			state = "catches up"
		case v.Missing:
			state = "does not vote yet"
		}
		if v.Entry > 0 {
			entry = fmt.Sprint(v.Entry)
		}
		if !v.Reached {
			reached = "no"
		}
		t = append(t, []string{v.Name, state, reached, entry})
	}
	t.print(w)
}
