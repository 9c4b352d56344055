package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/bundle"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
)

func debugBundleCommand() *cobra.Command {
	var file string
	var seconds int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "bundle", Args: cobra.NoArgs,
		Short: "Write an archive for a bug report, without secrets, and list its contents",
		RunE: func(cmd *cobra.Command, args []string) error {
			length := time.Duration(seconds) * time.Second
			if length < 0 || length > control.MaxProfile {
				return usage("--seconds %d is out of range; from 1 to %d, and 0 for no CPU profile", seconds, control.MaxProfile/time.Second)
			}
			if file == "-" && asJSON {
				return usage("--json and -o - both write to standard output; give the archive a file with -o FILE")
			} else if file == "-" {
				if err := noTerminal(cmd, "an archive"); err != nil {
					return err
				}
			}
			src := source(cmd)
			defer src.Close()
			if seconds > 0 && !asJSON {
				fmt.Fprintf(cmd.ErrOrStderr(), "collecting; the CPU profile takes %s\n", length)
			}
			b, err := bundle.Collect(cmd.Context(), src, bundle.Options{Profile: length, Version: build.This().Text()})
			if err != nil {
				return err
			}
			file = cmp.Or(file, "tcpctl-debug-"+b.Made.Format("20060102T150405Z")+".tar.gz")
			size, err := writeBundle(b, file)
			if err != nil {
				return err
			}
			return showBundle(cmd, b, file, size, asJSON)
		},
	}
	fileTo(cmd, &file).Flags().Lookup("output").Usage = "write to `FILE`; -: standard output (default: ./tcpctl-debug-TIME.tar.gz)"
	cmd.Flags().IntVar(&seconds, "seconds", 5, "length of the CPU profile in `SECONDS`; 0: none")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// writeBundle writes the file, completely or not at all; "-" is standard output.
func writeBundle(b *bundle.Bundle, file string) (size int, err error) {
	var archive bytes.Buffer
	if _, err := b.WriteTo(&archive); err != nil {
		return 0, err
	}
	if file == "-" {
		return drawing().Write(archive.Bytes())
	}
	if err := os.WriteFile(file, archive.Bytes(), 0o600); err != nil {
		return 0, fileerror.Unwritable(file, err)
	}
	return archive.Len(), nil
}

// showBundle lists what was written, on stderr if the archive went to standard output.
func showBundle(cmd *cobra.Command, b *bundle.Bundle, file string, size int, asJSON bool) error {
	switch {
	case file == "-":
		printBundle(cmd.ErrOrStderr(), b, "to standard output", size)
	case asJSON:
		return printJSON(cmd.OutOrStdout(), struct {
			File  string `json:"file"`
			Bytes int    `json:"bytes"`
			*bundle.Bundle
		}{file, size, b})
	default:
		printBundle(cmd.OutOrStdout(), b, file, size)
	}
	return nil
}

func printBundle(out io.Writer, b *bundle.Bundle, file string, size int) {
	fmt.Fprintf(out, "wrote %s (%sB):\n", file, amount(float64(size)))
	t := table{{"FILE", "BYTES", "WHAT"}}
	for _, f := range b.Files {
		row := []string{f.Name, amount(float64(f.Bytes)), f.About}
		if f.Missing != "" {
			row[1], row[2] = "-", "not in it: "+f.Missing
		}
		t = append(t, row)
	}
	t.print(out)
	fmt.Fprintf(out, "\n%s\n", bundle.Caution)
}
