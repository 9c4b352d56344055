package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// actCommands makes a command of each act in the one table.
func actCommands() []*cobra.Command {
	var all []*cobra.Command
	for i := range api.Acts {
		all = append(all, actCommand(&api.Acts[i]))
	}
	return all
}

func actCommand(a *api.Act) *cobra.Command {
	r := api.Request{Act: a.Name}
	var rate string
	var wait, asJSON bool
	cmd := &cobra.Command{
		Use: a.Use(), Short: a.Short, GroupID: groupAct, Args: arguments(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Targets, r.Args = split(a, args)
			var err error
			if r.Rate, err = parseRate(rate); err != nil {
				return err
			}
			return act(cmd, a, r, wait, asJSON)
		},
	}
	f := cmd.Flags()
	for _, name := range a.Flags {
		switch name {
		case "limit":
			f.DurationVar(&r.Limit, name, 0, "how long live sessions may take")
		case "then":
			f.StringVar(&r.Then, name, "", "at the limit: abort (give up), cut (reset them) or keep (go on)")
		case "max":
			f.DurationVar(&r.Max, name, 0, "the longest pause")
		case "rate":
			f.StringVar(&rate, name, "", "let through so many a second, like `50/s`")
		case "reason":
			f.StringVar(&r.Reason, name, "", "why, for those who read the events")
		case "force":
			f.BoolVar(&r.Force, name, false, "do it in spite of a warning")
		case "save":
			f.BoolVar(&r.Save, name, false, "keep it over a restart, in a file beside the configuration")
		case "dry-run":
			f.BoolVar(&r.DryRun, name, false, "only say what it would do")
		case "wait":
			f.BoolVar(&wait, name, false, "show the progress until it is done")
		case "min-up":
			f.IntVar(&r.MinUp, name, 0, "how many other backends must be up (default 1 where there are others)")
		case "max-wait":
			f.DurationVar(&r.MaxWait, name, 0, "stop when somebody has waited longer")
		case "grace":
			f.DurationVar(&r.Grace, name, 0, "how long sessions may take")
		case "service":
			f.StringVar(&r.Service, name, "", "all of this `SERVICE`")
		case "backend":
			f.StringVar(&r.Backend, name, "", "all on this `BACKEND`")
		case "client":
			f.StringVar(&r.Client, name, "", "all from this address or `CIDR`")
		}
	}
	f.BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}

// arguments refuses what cannot be right before an instance is asked.
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

// split tells an act's targets from what follows them.
func split(a *api.Act, args []string) (targets, rest []string) {
	switch {
	case a.On == api.OnNothing:
		return nil, args
	case a.Args != "" && len(args) > 1:
		return args[:1], args[1:]
	}
	return args, nil
}

// parseRate reads "50/s", "3/m" or a bare number a second.
func parseRate(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, per, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	units := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}
	if err != nil || n <= 0 || n > 1e9 || units[per] == 0 {
		return 0, usage("--rate %q is not a rate like 50/s", text)
	}
	return n / units[per], nil
}

func act(cmd *cobra.Command, a *api.Act, r api.Request, wait, asJSON bool) error {
	src := source(cmd)
	defer src.Close()
	if everywhere(cmd) {
		return actEverywhere(cmd, src, r, asJSON)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
	res, err := src.Do(ctx, r)
	cancel()
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), res)
	} else {
		printResult(cmd.OutOrStdout(), res)
	}
	if err != nil || !(wait || a.Plan) || r.DryRun {
		return err
	}
	if a.Plan {
		return followPlan(cmd, src, res.Plan, asJSON)
	}
	for _, target := range r.Targets {
		if err := follow(cmd.Context(), src, a, target, &r); err != nil {
			return err
		}
	}
	return nil
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

// follow shows how far an act is until it is done: on a terminal in one line,
// elsewhere a line a change.
func follow(ctx context.Context, src api.Source, a *api.Act, target string, r *api.Request) error {
	live := term.IsTerminal(int(os.Stderr.Fd()))
	last := ""
	for {
		st, err := src.Status(ctx)
		if err != nil {
			return err
		}
		p := a.Progress(st, target, r)
		switch {
		case live:
			fmt.Fprintf(os.Stderr, "\r\x1b[K%s", p.Text)
		case p.Text != last:
			fmt.Fprintln(os.Stderr, p.Text)
		}
		last = p.Text
		if p.Done {
			if live {
				fmt.Fprintln(os.Stderr)
			}
			return p.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
