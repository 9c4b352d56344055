package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/themes"
)

func themesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "themes", Short: "List the console's themes", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), themeInfos())
			}
			for _, e := range themeInfos() {
				about := e.About
				if e.Error != "" {
					about = "cannot be read: " + e.Error
				} else if e.File != "" {
					about += " (" + e.File + ")"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-14s  %s\n", e.Name, about)
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	cmd.AddCommand(&cobra.Command{
		Use: "check FILE", Short: "Check a theme: roles, contrast, colour blindness", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := themes.Check(args[0])
			if cannot, ok := errors.AsType[*fs.PathError](err); ok { // of it, or of one that it inherits from
				err = fileerror.Unreadable(cannot.Path, err)
			}
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
				return fmt.Errorf("%s has faults; mend what the lines above name", args[0])
			}
			return nil
		},
	})
	return cmd
}

// themeInfo is one theme.
type themeInfo struct {
	Name  string `json:"name"`
	About string `json:"about"`
	File  string `json:"file,omitempty"`  // file of a user's own theme
	Error string `json:"error,omitempty"` // why the theme cannot be read
}

func themeInfos() (all []themeInfo) {
	for _, e := range themes.List(themeDir()) {
		i := themeInfo{Name: e.Name, About: e.About, File: e.File}
		if e.Err != nil {
			i.Error = e.Err.Error()
		}
		all = append(all, i)
	}
	return all
}
