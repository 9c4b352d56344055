package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
)

func debugCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "debug", Short: "Diagnose the process of a running instance", GroupID: groupLook, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return usage("debug needs a subcommand: tcpctl debug goroutines, heap, profile, or bundle for a bug report")
		},
	}
	cmd.AddCommand(debugGoroutinesCommand(), debugPartCommand("heap", "Dump a heap profile for go tool pprof", func(url.Values) {}),
		debugProfileCommand(), debugBundleCommand())
	return cmd
}

func debugGoroutinesCommand() *cobra.Command {
	var each bool
	cmd := debugPartCommand("goroutines", "Dump the goroutines, counted by stack", func(v url.Values) {
		if each {
			v.Set("each", "1")
		}
	})
	cmd.Flags().BoolVar(&each, "each", false, "dump each goroutine, with what it waits for and for how long; stops the process for a moment")
	return cmd
}

func debugProfileCommand() *cobra.Command {
	var seconds int
	cmd := debugPartCommand("profile", "Record a CPU profile for go tool pprof", func(v url.Values) { v.Set("seconds", strconv.Itoa(seconds)) })
	cmd.Flags().IntVar(&seconds, "seconds", int(control.DefaultProfile/time.Second),
		fmt.Sprintf("length in `SECONDS`, %d at most", control.MaxProfile/time.Second))
	return cmd
}

// debugPartCommand makes the command for a profile or a dump; options sets what its flags say.
func debugPartCommand(what, short string, options func(url.Values)) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: what, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			v := url.Values{}
			options(v)
			return debugTo(cmd, what, v, file)
		},
	}
	return fileTo(cmd, &file)
}

// fileTo adds the flag for the output file to a command.
func fileTo(c *cobra.Command, file *string) *cobra.Command {
	c.Flags().StringVarP(file, "output", "o", "", "write to `FILE`; - or none: standard output")
	return c
}

// debugTo writes a profile or dump of the instance to standard output, or to a file, completely or
// not at all. A profile is not written to a terminal.
func debugTo(cmd *cobra.Command, what string, v url.Values, file string) error {
	toFile := file != "" && file != "-"
	if !toFile && what != "goroutines" {
		if err := noTerminal(cmd, "a profile for go tool pprof"); err != nil {
			return err
		}
	}
	src := source(cmd)
	defer src.Close()
	var b bytes.Buffer
	if err := src.Debug(cmd.Context(), what, v, &b); err != nil {
		return err
	}
	switch {
	case !toFile && what == "goroutines":
		_, err := cmd.OutOrStdout().Write(b.Bytes())
		return err
	case !toFile:
		_, err := drawing().Write(b.Bytes())
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		return fileerror.Unwritable(file, err)
	}
	hint := ""
	if what != "goroutines" {
		hint = "; open it with: go tool pprof " + file
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s (%s)%s\n", file, amount(float64(b.Len()))+"B", hint)
	return nil
}

// noTerminal refuses to write binary data to a terminal.
func noTerminal(cmd *cobra.Command, what string) error {
	if term.IsTerminal(int(os.Stdout.Fd())) {
		return usage("%s writes %s, not text: give it a file with -o FILE, or pipe it", cmd.CommandPath(), what)
	}
	return nil
}
