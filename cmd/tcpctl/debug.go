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
)

func debugCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "debug", Short: "Look inside the process of a running instance", GroupID: groupLook, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return usage("debug needs to know what: tcpctl debug goroutines, heap, profile, or bundle for a bug report")
		},
	}
	cmd.AddCommand(debugGoroutinesCommand(), debugHeapCommand(), debugProfileCommand(), debugBundleCommand())
	return cmd
}

func debugGoroutinesCommand() *cobra.Command {
	var file string
	var each bool
	cmd := &cobra.Command{
		Use: "goroutines", Args: cobra.NoArgs,
		Short: "Write down where the goroutines are, counted by their stacks",
		RunE: func(cmd *cobra.Command, args []string) error {
			v := url.Values{}
			if each {
				v.Set("each", "1")
			}
			return debugTo(cmd, "goroutines", v, file)
		},
	}
	cmd.Flags().BoolVar(&each, "each", false, "one by one, with what each waits for and how long; the process stands still meanwhile")
	return fileTo(cmd, &file)
}

func debugHeapCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "heap", Args: cobra.NoArgs,
		Short: "Write down what holds memory, for go tool pprof",
		RunE: func(cmd *cobra.Command, args []string) error {
			return debugTo(cmd, "heap", nil, file)
		},
	}
	return fileTo(cmd, &file)
}

func debugProfileCommand() *cobra.Command {
	var file string
	var seconds int
	cmd := &cobra.Command{
		Use: "profile", Args: cobra.NoArgs,
		Short: "Watch where the CPU goes for a while, for go tool pprof",
		RunE: func(cmd *cobra.Command, args []string) error {
			return debugTo(cmd, "profile", url.Values{"seconds": {strconv.Itoa(seconds)}}, file)
		},
	}
	cmd.Flags().IntVar(&seconds, "seconds", int(control.DefaultProfile/time.Second),
		fmt.Sprintf("for so many `SECONDS`, %d at most", control.MaxProfile/time.Second))
	return fileTo(cmd, &file)
}

// fileTo gives a command the flag for the file that it writes.
func fileTo(c *cobra.Command, file *string) *cobra.Command {
	c.Flags().StringVarP(file, "output", "o", "", "write to this `FILE` (default: standard output)")
	return c
}

// debugTo writes what the instance shows of itself to a file, whole or not at
// all, or to standard output. Profiles are no text for a terminal.
func debugTo(cmd *cobra.Command, what string, v url.Values, file string) error {
	if file == "" && what != "goroutines" && term.IsTerminal(int(os.Stdout.Fd())) {
		return usage("%s writes for go tool pprof and not for a terminal: give it a file, -o FILE, or pipe it", cmd.CommandPath())
	}
	src := source(cmd)
	defer src.Close()
	var b bytes.Buffer
	if err := src.Debug(cmd.Context(), what, v, &b); err != nil {
		return err
	}
	switch {
	case file == "" && what == "goroutines":
		_, err := cmd.OutOrStdout().Write(b.Bytes())
		return err
	case file == "":
		_, err := drawing().Write(b.Bytes())
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		return err
	}
	hint := ""
	if what != "goroutines" {
		hint = "; look at it with: go tool pprof " + file
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "wrote %s (%s)%s\n", file, amount(float64(b.Len()))+"B", hint)
	return nil
}
