package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func queueCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "queue SERVICE", GroupID: groupLook,
		Short: "Show the waiting clients of a service, and why they wait",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if everywhere(cmd) {
				return readEverywhere(cmd, asJSON, func(ctx context.Context, src api.Source) ([]proxy.WaiterInfo, error) { return src.Queue(ctx, args[0]) },
					queueHead, queueRows, elements(func(node string, w proxy.WaiterInfo) any {
						return struct {
							Node string `json:"node"`
							proxy.WaiterInfo
						}{node, w}
					}))
			}
			src := source(cmd)
			defer src.Close()
			if st, err := src.Status(cmd.Context()); err != nil || isOfCluster(st.Service(args[0])) {
				if err == nil {
					err = queueOfAll(cmd, src, args[0], asJSON)
				}
				return err
			}
			all, err := src.Queue(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			if len(all) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: no client waits for "+args[0])
				return nil
			}
			append(table{queueHead}, queueRows(all)...).print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return takesAll(cmd)
}

func isOfCluster(s *proxy.ServiceInfo) bool {
	return s != nil && s.Lock != nil && s.Lock.Scope == proxy.ScopeCluster
}

// queueOfAll prints the cluster-wide queue: the clients that have a slot, and those that wait for one.
func queueOfAll(cmd *cobra.Command, src *control.Client, service string, asJSON bool) error {
	line, err := api.LineOf(cmd.Context(), src, func(id string) api.Source { return src.Peer(id) }, service)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), line)
	}
	if len(line.Holders)+len(line.Waiters) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: on no node does a client have a slot of %s or wait for one\n", service)
	} else {
		lineTable(line).print(cmd.OutOrStdout())
	}
	for _, s := range line.Shares {
		used := "in use not known"
		if s.Known {
			used = fmt.Sprintf("%d in use", s.InUse)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s hands out %d of %s by itself, %s\n", s.Node, s.Slots, text.Plural(line.Slots, "slot"), used)
	}
	if line.Beyond > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: and %d more wait\n", line.Beyond)
	}
	for _, unknown := range line.Unknown {
		fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: "+unknown)
	}
	return nil
}

func lineTable(line *api.Line) table {
	t := table{{"#", "NODE", "ID", "CLIENT", "WAITED", "STATE", "REASON", "TOKEN"}}
	for i := range line.Holders {
		c := &line.Holders[i]
		state, reason := c.State, "no lease"
		switch {
		case c.LeaseSeconds > 0:
			reason = "lease " + text.Took(c.LeaseSeconds)
		case c.ID == "":
			reason = "lease not known"
		}
		if c.HeldSeconds > 0 {
			state += " " + text.Took(c.HeldSeconds)
		}
		t = append(t, []string{"-", c.Node, cmp.Or(c.ID, "?"), cmp.Or(c.Client, "?"), "-", state, reason, fmt.Sprint(c.Token)})
	}
	for i := range line.Waiters {
		c := &line.Waiters[i]
		position, waited := "-", "?"
		if c.Position > 0 {
			position = fmt.Sprint(c.Position)
		}
		if c.ID != "" {
			waited = text.Took(c.WaitedSeconds)
		}
		t = append(t, []string{position, c.Node, cmp.Or(c.ID, "?"), cmp.Or(c.Client, "?"), waited, c.State, cmp.Or(string(c.Reason), "?"), "-"})
	}
	return t
}

var queueHead = []string{"#", "ID", "CLIENT", "WAITED", "STATE", "REASON"}

func queueRows(all []proxy.WaiterInfo) (t [][]string) {
	for _, w := range all {
		t = append(t, []string{fmt.Sprint(w.Position), w.ID, w.Client, text.Took(w.WaitedSeconds), w.State, string(w.Reason)})
	}
	return t
}
