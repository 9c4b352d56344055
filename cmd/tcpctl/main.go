// Command tcpctl proxies TCP to health-checked backends, holds clients in a
// queue in front of fragile services, and lets its operator drain, pause and
// restart what is behind it while clients are connected.
//
// One file a subcommand; internal/instance puts an instance together.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/instance"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Exit statuses.
const (
	exitFailed = 1 // refused or failed
	exitUsage  = 2 // wrong usage or bad configuration
	exitTime   = 3 // a time limit passed first
	exitQuorum = 4 // no majority of a cluster's voters could be asked: nothing was done
)

// coded is an error with its exit status.
type coded struct {
	status int
	error
}

func (c coded) Unwrap() error { return c.error }

// usage returns an error about a wrong command line.
func usage(format string, args ...any) error { return coded{exitUsage, fmt.Errorf(format, args...)} }

func main() { os.Exit(run(os.Args[1:], stdout, stderr)) }

// run runs a command line and returns the exit status.
func run(args []string, stdout, stderr *text.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(context.Background())
	if bad, ok := errors.AsType[*fs.PathError](cmp.Or(err, stdout.Err())); ok && bad.Path == os.Stdout.Name() {
		err = fmt.Errorf("what this command printed is not all there: %w", fileerror.Unwritable("standard output", bad))
	} else if err == nil {
		err = stdout.Err()
	}
	if err == nil {
		return 0
	}
	if p, _ := upgrade.Take(); p != nil { // this process was to take over, and failed before it could start
		p.Fail(err)
	}
	for line := range strings.Lines(plainText(err)) {
		fmt.Fprintln(stderr, "tcpctl: "+text.Safe(shortened(strings.TrimSpace(line))))
	}
	if _, done := errors.AsType[reported](err); !done && wantsJSON(cmd, args) {
		printJSON(stdout, errorBody(err))
	}
	return statusOf(err)
}

// shortened leaves out the middle of a message that repeats a very long argument: its
// hint is at the end.
func shortened(line string) string {
	const most, end = 4000, 1000
	if len(line) <= most {
		return line
	}
	return strings.ToValidUTF8(line[:most-end], "") + " ... " + strings.ToValidUTF8(line[len(line)-end:], "")
}

// plainText returns an error's text without the package name in front, which does not help an
// operator.
func plainText(err error) string {
	text := err.Error()
	for _, inside := range []string{"proxy: ", "control: ", "themes: "} {
		text = strings.TrimPrefix(text, inside)
	}
	return text
}

func statusOf(err error) int {
	var c coded
	var refusal *api.Error
	_, badValue := errors.AsType[*proxy.ValueError](err)
	_, badConfig := errors.AsType[*instance.ConfigError](err)
	switch {
	case errors.As(err, &c):
		return c.status
	case badValue, badConfig:
		return exitUsage
	case errors.Is(err, api.ErrTimedOut):
		return exitTime
	case errors.As(err, &refusal) && refusal.Status == 400:
		return exitUsage
	case refusal != nil && refusal.Status == api.StatusNoQuorum:
		return exitQuorum
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	var l launch
	root := &cobra.Command{
		Use:           "tcpctl",
		Short:         "Proxy TCP to health-checked backends; drain, pause and restart them while clients are connected",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				hint := "tcpctl --help lists them"
				if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
					hint = "did you mean " + strings.Join(near, " or ") + "?"
				}
				return usage("there is no command %q; %s", args[0], hint)
			}
			return bare(cmd, &l)
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(flagUsage)
	root.PersistentFlags().String("socket", "", "`PATH` of the control socket (default: /run/tcpctl/tcpctl.sock as root, else the user's own)")
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Running:"}, &cobra.Group{ID: groupLook, Title: "Inspecting:"},
		&cobra.Group{ID: groupAct, Title: "Acting on a running instance:"})
	fileFlag(root, &l.path)
	launchFlags(root, &l)
	root.GroupID = ""
	root.AddCommand(runCommand(), proxyCommand(), lockCommand(), wsCommand(), demoCommand(), meshCommand(), peersCommand())
	root.AddCommand(attachCommand(), checkCommand(), initCommand(), importCommand(), themesCommand())
	root.AddCommand(statusCommand(), sessionsCommand(), queueCommand(), eventsCommand(), historyCommand(), topCommand(), reportCommand(), docsCommand(), manCommand(), versionCommand())
	root.AddCommand(windowCommand(), debugCommand())
	root.AddCommand(actCommands()...)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return checkPeer(cmd) }
	peerFlags(root)
	completions(root)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // cobra would print help for an unknown shell
			c.Args, c.RunE = cobra.ArbitraryArgs, func(*cobra.Command, []string) error {
				return usage("completion needs a shell it knows: tcpctl completion bash, zsh, fish or powershell")
			}
		}
		strict(c)
	}
	return root
}

const (
	groupRun  = "run"
	groupLook = "look"
	groupAct  = "act"
)

// strict makes wrong arguments usage errors with a hint, in a command and its subcommands.
func strict(c *cobra.Command) {
	for _, below := range c.Commands() {
		strict(below)
	}
	args := c.Args
	if args == nil {
		return
	}
	c.Args = func(cmd *cobra.Command, given []string) error {
		if args(cmd, given) == nil {
			return nil
		}
		name := commandName(cmd)
		if cmd.HasAvailableSubCommands() && len(given) > 0 {
			hint := cmd.CommandPath() + " --help lists them"
			if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
				hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return usage("there is no command %q; %s", name+" "+given[0], hint)
		}
		line := strings.TrimSuffix(cmd.UseLine(), " [flags]")
		if len(given) > 1 || args(cmd, nil) == nil {
			return usage("%s does not take %q; usage: %s", name, given[len(given)-1], line)
		}
		return usage("%s needs more arguments; usage: %s", name, line)
	}
}
