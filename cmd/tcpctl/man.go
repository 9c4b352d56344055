package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
)

// manualPages is the folder of the manual pages in references.
const manualPages = "docs/man"

func manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "man --dir DIR", Short: "Write the manual pages into a folder", Args: cobra.NoArgs, GroupID: groupLook,
		Long: `Writes the manual pages of this version, one for each command and each reference,
into a folder, and creates the folder if needed. Packages install the pages; this
command is for a binary that was built or copied by hand.`,
		Example: "  tcpctl man --dir . && man ./tcpctl.1",
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usage("a folder for the manual pages is missing; usage: tcpctl man --dir DIR")
			}
			n, err := writeManual(dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "wrote %d manual pages to %s; begin with: man %s\n", n, dir, readable(filepath.Join(dir, "tcpctl.1")))
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder `DIR` to write to")
	cmd.MarkFlagDirname("dir")
	return cmd
}

// writeManual writes the pages, and returns their number.
func writeManual(dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fileerror.Unwritable(dir, err)
	}
	pages, err := fs.ReadDir(references, manualPages)
	if err != nil {
		return 0, err
	}
	for _, page := range pages {
		text, err := references.ReadFile(manualPages + "/" + page.Name())
		if err != nil {
			return 0, err
		}
		name := filepath.Join(dir, page.Name())
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return 0, fileerror.Unwritable(name, err)
		}
	}
	return len(pages), nil
}

// readable returns a path in a form that man does not take for the name of a page.
func readable(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return "." + string(filepath.Separator) + path
}
