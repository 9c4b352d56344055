package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/importer"
)

func importCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Print the TCP part of a haproxy.cfg or an nginx.conf as a configuration of tcpctl", GroupID: groupLook,
		Long: `Print the TCP part of a haproxy.cfg or an nginx.conf as a configuration of tcpctl.

Listening addresses, servers, weights, checks, limits, timeouts, PROXY headers, TLS,
access by address and the choice of a backend by the name in a ClientHello are
translated. Each line that has no counterpart stands in a comment, with the reason.
FILE may be - for the standard input.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readInput(cmd, args[0])
			if err != nil {
				return err
			}
			r, err := importer.Import(args[0], format, text)
			if err != nil {
				return err
			}
			if _, err := cmd.OutOrStdout().Write(r.Text); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s: %d services; %d directives translated, %d in comments; check the result with tcpctl check -c FILE\n",
				args[0], r.Services, r.Translated, r.Commented)
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "from", "", "the `FORMAT` of the file: haproxy or nginx (default: found out)")
	return cmd
}

// readInput reads a file, or the standard input for "-".
func readInput(cmd *cobra.Command, path string) ([]byte, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, importer.MaxSize+1))
}
