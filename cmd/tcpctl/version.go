package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
)

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			b := build.This()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), b)
			}
			of := ""
			if b.Commit != "" {
				of = fmt.Sprintf("commit %.12s of %.10s, ", b.Commit, cmp.Or(b.Date, "an unknown day"))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "tcpctl %s (%s%s %s/%s)\n", b.Version, of, b.Go, b.OS, b.Arch)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
