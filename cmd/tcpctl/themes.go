package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/themes"
)

func themesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "themes", Short: "List the console's themes", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, e := range themes.List(themeDir()) {
				about := e.About
				if e.Err != nil {
					about = "cannot be read: " + e.Err.Error()
				} else if e.File != "" {
					about += " (" + e.File + ")"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-14s  %s\n", e.Name, about)
			}
			return nil
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use: "check FILE", Short: "Say what is wrong with a theme: roles, contrast, colour blindness", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := themes.Check(args[0])
			if err != nil {
				return coded{exitUsage, err}
			}
			for _, line := range append(r.Problems, r.Notes...) {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			if r.Contrast > 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "the lowest contrast is %.1f\n", r.Contrast)
			}
			if !r.OK() {
				return fmt.Errorf("%s has faults", args[0])
			}
			return nil
		},
	})
	return cmd
}
