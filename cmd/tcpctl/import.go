package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/importer"
)

func importCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Convert the TCP part of a haproxy.cfg or nginx.conf, and print the configuration", GroupID: groupLook,
		Long: `Converts the TCP part of a haproxy.cfg or nginx.conf to a configuration of tcpctl,
and prints it.

It converts listen addresses, servers, weights, checks, limits, timeouts, PROXY
headers, TLS, access lists and routing by SNI. Each line without a counterpart
becomes a comment with the reason. An access rule that admits only some clients,
and has no exact counterpart, becomes a stricter one, also with a comment.
FILE may be - for standard input.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readInput(cmd, args[0])
			if err != nil {
				return err
			}
			r, err := importer.Import(args[0], format, text)
			if err != nil {
				return coded{exitUsage, err}
			}
			if _, err := cmd.OutOrStdout().Write(r.Text); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "tcpctl: %s: %d services; %d directives translated, %d in comments; check the result with tcpctl check -c FILE\n",
				args[0], r.Services, r.Translated, r.Commented)
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "from", "", "`FORMAT` of the file: haproxy or nginx (default: detected)")
	return cmd
}

// readInput reads a file, or the standard input for "-".
func readInput(cmd *cobra.Command, path string) ([]byte, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, coded{exitUsage, fileerror.Unreadable(path, err)}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, importer.MaxSize+1))
	if err != nil {
		return nil, coded{exitUsage, fileerror.Unreadable(path, err)}
	}
	return text, nil
}
