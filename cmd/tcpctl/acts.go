package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// actCommands makes a command from each act in api.Acts.
func actCommands() []*cobra.Command {
	var all []*cobra.Command
	for i := range api.Acts {
		cmd := actCommand(&api.Acts[i])
		if cmd.Name() == "cluster" {
			cmd.Long = clusterLong
			cmd.AddCommand(clusterStatusCommand(), clusterDoctorCommand())
		}
		all = append(all, cmd)
	}
	return all
}

func actCommand(a *api.Act) *cobra.Command {
	r := api.Request{Act: a.Name}
	var wait, nodes, asJSON bool
	cmd := &cobra.Command{
		Use: a.Use(), Short: a.Short, GroupID: groupAct, Args: arguments(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Targets, r.Args = split(a, args)
			if err := a.Check(&r); err != nil {
				return err
			}
			if nodes {
				return upgradeNodes(cmd, r, asJSON)
			}
			return act(cmd, a, r, wait, asJSON)
		},
	}
	if a.Name == "upgrade" {
		cmd.Long = upgradeLong
		cmd.Flags().BoolVar(&nodes, "nodes", false, "upgrade all nodes of the mesh, one after another, to this command's version")
	}
	paramFlags(cmd.Flags(), a.Params, &r.Options)
	if p, ok := a.Param("wait"); ok {
		cmd.Flags().BoolVar(&wait, p.Name, false, p.Help)
	}
	jsonFlag(cmd, &asJSON)
	return takesAll(cmd)
}

// paramFlags adds a flag for each option.
func paramFlags(f *pflag.FlagSet, params []api.Param, o *api.Options) {
	for _, p := range params {
		if p.Name == "wait" {
			continue
		}
		flag := f.VarPF(&paramFlag{p, o}, p.Name, "", p.Help)
		if p.Kind() == api.KindSwitch {
			flag.NoOptDefVal = "true"
		}
	}
}

// paramFlag implements the flag of one option.
type paramFlag struct {
	param api.Param
	to    *api.Options
}

func (f *paramFlag) Set(text string) error { return f.param.Set(f.to, text) }
func (f *paramFlag) String() string        { return f.param.Text(f.to) }

// Type is the word that stands for a value in the help.
func (f *paramFlag) Type() string {
	switch f.param.Kind() {
	case api.KindSwitch:
		return "bool"
	case api.KindDuration:
		return "duration"
	case api.KindCount:
		return "N"
	case api.KindChoice:
		return strings.Join(f.param.Choices, "|")
	}
	return "string"
}

// arguments rejects wrong arguments before an instance is asked.
func arguments(a *api.Act) cobra.PositionalArgs {
	least, most := 0, 1
	if a.On == api.OnService || a.On == api.OnBackend {
		least = 1
	}
	if a.On == api.OnNothing {
		most = 0
	}
	if a.Args != "" {
		most++
		if a.Args[0] != '[' {
			least++
		}
	}
	if a.Many || a.On == api.OnNothing && a.Args != "" { // a note's text may be several words
		return cobra.MinimumNArgs(least)
	}
	return cobra.RangeArgs(least, most)
}

// split separates an act's targets from its other arguments.
func split(a *api.Act, args []string) (targets, others []string) {
	switch {
	case a.On == api.OnNothing:
		return nil, args
	case a.Args != "" && len(args) > 1:
		return args[:1], args[1:]
	}
	return args, nil
}

// actWithin bounds the wait for an act's answer: an upgrade waits 30 s for a new process that hangs, and says why then.
const actWithin = time.Minute

func act(cmd *cobra.Command, a *api.Act, r api.Request, wait, asJSON bool) error {
	src := source(cmd)
	defer src.Close()
	if everywhere(cmd) {
		return actEverywhere(cmd, src, a, r, wait, asJSON)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), actWithin)
	res, err := src.Do(ctx, r)
	cancel()
	if err != nil {
		return err
	}
	if !asJSON {
		printResult(cmd.OutOrStdout(), res)
	}
	switch {
	case r.DryRun:
	case a.Plan:
		return followPlan(cmd, src, res.Plan, asJSON)
	case wait:
		for _, target := range r.Targets {
			if err := follow(cmd.Context(), src, a, target, &r); err != nil {
				return err
			}
		}
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), res)
	}
	if err == nil && res.Failed > 0 {
		return reported{fmt.Errorf("%d of %d probes failed; tcpctl status shows the backends' checks", res.Failed, len(res.Texts))}
	}
	return err
}

func printResult(w io.Writer, res api.Result) {
	for _, i := range res.Impact {
		if i.Target != "" {
			fmt.Fprintln(w, i.Target)
		}
		for _, line := range i.Lines {
			fmt.Fprintln(w, "  "+line)
		}
		if i.Warning != "" {
			fmt.Fprintln(w, "  warning: "+i.Warning)
		}
	}
	for _, text := range res.Texts {
		fmt.Fprintln(w, text)
	}
}

// follow shows the progress of an act until it is done: in one line on a terminal, otherwise with a
// line for each change.
func follow(ctx context.Context, src api.Source, a *api.Act, target string, r *api.Request) error {
	progress := newProgress()
	for {
		st, err := src.Status(ctx)
		if err != nil {
			return err
		}
		p := a.Progress(st, target, r)
		progress.show(p.Text)
		if p.Done {
			progress.end()
			return p.Err()
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}
