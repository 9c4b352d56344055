package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// clusterDoctorCommand is a subcommand of the act "cluster".
func clusterDoctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Ask all nodes about the cluster, and report what is wrong and what to try", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			src := source(cmd)
			defer src.Close()
			d, err := api.DiagnoseCluster(cmd.Context(), src, func(id string) api.Source { return src.Peer(id) })
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), d)
			} else {
				printClusterDiagnosis(cmd.OutOrStdout(), d)
			}
			if n := len(d.Findings); err == nil && n > 0 {
				err = reported{errors.New(text.Plural(n, "finding"))}
			}
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func printClusterDiagnosis(w io.Writer, d *api.ClusterDiagnosis) {
	t := table{{"NODE", "VERSION", "ROLE", "LEADER", "LEASE", "DISK FREE", "CLOCK", "TIME"}}
	for _, n := range d.Nodes {
		row := []string{n.Node, n.Version, "-", "-", "-", "-", "-", "-"}
		if c := n.Cluster; c != nil {
			row[2], row[7] = c.Role, fmt.Sprintf("%+.1fs", n.SkewSeconds)
			if c.Leader != "" {
				row[3] = c.Leader
			}
			if c.File.LeaseSeconds > 0 {
				row[4] = text.Duration(time.Duration(c.File.LeaseSeconds * float64(time.Second)))
			}
			if c.Disk != nil {
				row[5] = text.Bytes(float64(c.Disk.FreeBytes))
			}
			if n.ClockRate > 0 {
				row[6] = fmt.Sprintf("%+.1f%% ±%.1f", (n.ClockRate-1)*100, n.ClockError*100)
			}
		}
		t = append(t, row)
	}
	t.print(w)
	fmt.Fprintln(w)
	for _, f := range d.Findings {
		if f.Node != "" {
			fmt.Fprint(w, f.Node+": ")
		}
		fmt.Fprintln(w, f.Text)
		fmt.Fprintln(w, "  try: "+f.Hint)
	}
	if len(d.Findings) == 0 {
		fmt.Fprintln(w, "nothing is wrong")
	}
}
