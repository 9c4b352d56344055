package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func queueCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "queue SERVICE", GroupID: groupLook,
		Short: "Show each waiting client of a service, and why it waits",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
				fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: nobody waits for "+args[0])
				return nil
			}
			t := table{{"#", "ID", "CLIENT", "WAITED", "STATE", "WHY"}}
			for _, w := range all {
				t = append(t, []string{fmt.Sprint(w.Position), w.ID, w.Client, ago(w.WaitedSeconds), w.State, string(w.Why)})
			}
			t.print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
