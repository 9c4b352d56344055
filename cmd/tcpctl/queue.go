package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func queueCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "queue SERVICE", GroupID: groupLook,
		Short: "Show the waiting clients of a service, and why each waits",
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

var queueHead = []string{"#", "ID", "CLIENT", "WAITED", "STATE", "REASON"}

func queueRows(all []proxy.WaiterInfo) (t [][]string) {
	for _, w := range all {
		t = append(t, []string{fmt.Sprint(w.Position), w.ID, w.Client, text.Took(w.WaitedSeconds), w.State, string(w.Reason)})
	}
	return t
}
