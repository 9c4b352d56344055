package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func reportCommand() *cobra.Command {
	var asJSON, markdown, html bool
	var when stretchFlags
	cmd := &cobra.Command{
		Use: "report [ID]", GroupID: groupLook,
		Short: "Show the report of a window, restart or roll (default: the last one), or of any period with --since",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if when.since != "" || when.until != "" || html {
				form, err := incidentForm(&when, args, asJSON, markdown, html)
				if err != nil {
					return err
				}
				return incidentReport(cmd, &when, form)
			}
			if asJSON && markdown {
				return usage("--json and --markdown are two forms: give one")
			}
			id := strings.Join(args, "") // one or none
			ask := func(ctx context.Context, src api.Source) (proxy.Report, error) {
				return src.(api.Planner).Report(ctx, id)
			}
			return readHere(cmd, asJSON, ask, func(r proxy.Report) { printReport(cmd.OutOrStdout(), &r, markdown) })
		},
	}
	jsonFlag(cmd, &asJSON)
	f := cmd.Flags()
	f.BoolVar(&markdown, "markdown", false, "print Markdown")
	f.BoolVar(&html, "html", false, "with --since: print one self-contained HTML page")
	when.add(f, "")
	f.StringVar(&when.service, "service", "", "with --since: only `SERVICE`")
	return cmd
}

// printReport prints a report, the result first.
func printReport(w io.Writer, r *proxy.Report, markdown bool) {
	item, head := "  ", ""
	if markdown {
		item, head = "- ", "## "
	}
	fmt.Fprintf(w, "%s%s %s of %s: %s\n", head, r.Kind, r.ID, r.Service, r.State)
	if markdown {
		fmt.Fprintln(w)
	}
	line := func(format string, args ...any) { fmt.Fprintf(w, item+format+"\n", args...) }
	if r.Error != "" {
		line("reason: %s", text.Safe(r.Error))
	}
	if r.OverdueSeconds > 0 {
		line("overdue: it ran %s past its --max, and clients were rejected meanwhile", text.Took(r.OverdueSeconds))
	}
	n := r.Numbers
	if len(r.Nodes) > 0 {
		line("%s", proxy.AcrossNodes(r.Nodes))
		line("held %d clients, longest %.1fs", n.Held, n.LongestSeconds)
	} else {
		line("held %d clients, longest %.1fs, p50 %.1fs, p99 %.1fs", n.Held, n.LongestSeconds, n.P50Seconds, n.P99Seconds)
	}
	line("abandoned %d, timed out %d, cut %d, failed %d, rejected %d", n.Abandoned, n.TimedOut, n.Cut, n.Failed, n.Rejected)
	line("%s", byWhomAndWhen(r))
	for _, b := range r.Backends {
		line("backend %s: %s before, %s after", b.Name, b.Before, b.After)
	}
	for i, s := range r.Steps {
		detail := ""
		if s.Detail != "" {
			detail = ": " + text.Safe(s.Detail)
		}
		line("step %d %s: %s, %.1fs%s", i+1, s.What, s.State, s.Seconds, detail)
	}
	if len(r.Nodes) > 0 {
		parts := make([]nodePart, len(r.Nodes))
		for i, n := range r.Nodes {
			parts[i].NodeReport = n
		}
		printParts(w, parts)
	}
}

// byWhomAndWhen returns who began the plan, why and when, and how long it took.
func byWhomAndWhen(r *proxy.Report) string {
	by := "by " + text.Safe(r.Owner)
	if r.Reason != "" {
		by += fmt.Sprintf(", %q", r.Reason)
	}
	end := "running"
	if !r.Ended.IsZero() {
		end = r.Took().String()
	}
	return fmt.Sprintf("%s, %s, %s", by, r.Started.Local().Format("2006-01-02 15:04:05 MST"), end)
}

// nodePart is one node's row in the report of a plan on several nodes.
type nodePart struct {
	proxy.NodeReport
	report, took   string  // of the node's own plan; "": it has none
	overdueSeconds float64 // past its --max
}

// printParts prints a row for each node, or for each backend of a node. For a node whose outcome is
// unknown, the reason replaces the numbers.
func printParts(w io.Writer, parts []nodePart) {
	second, of := "REPORT", func(p *nodePart) string { return p.report }
	if slices.ContainsFunc(parts, func(p nodePart) bool { return p.Backend != "" }) {
		second, of = "BACKEND", func(p *nodePart) string { return p.Backend }
	}
	t := table{{"NODE", second, "STATE", "HELD", "LONGEST", "ABANDONED", "TIMED OUT", "CUT", "FAILED", "REJECTED"}}
	timed := slices.ContainsFunc(parts, func(p nodePart) bool { return p.took != "" })
	if timed {
		t[0] = append(t[0], "TOOK")
	}
	overdue := slices.ContainsFunc(parts, func(p nodePart) bool { return p.overdueSeconds > 0 })
	if overdue {
		t[0] = append(t[0], "OVERDUE")
	}
	for _, p := range parts {
		is, name := &p.Numbers, cmp.Or(of(&p), "-")
		if p.Unknown != "" {
			t = append(t, []string{p.Node, name, "unknown: " + p.Unknown})
			continue
		}
		row := []string{p.Node, name, p.State, fmt.Sprint(is.Held), fmt.Sprintf("%.1fs", is.LongestSeconds), fmt.Sprint(is.Abandoned),
			fmt.Sprint(is.TimedOut), fmt.Sprint(is.Cut), fmt.Sprint(is.Failed), fmt.Sprint(is.Rejected)}
		if timed {
			row = append(row, cmp.Or(p.took, "-"))
		}
		if overdue && p.overdueSeconds > 0 {
			row = append(row, text.Took(p.overdueSeconds))
		} else if overdue {
			row = append(row, "-")
		}
		t = append(t, row)
	}
	t.print(w)
}

// followPlan shows a plan's steps until it has ended, then its report. The exit status is the
// plan's.
func followPlan(cmd *cobra.Command, src api.Planner, id string, asJSON bool) error {
	r, err := watchPlan(cmd.Context(), src, id, newProgress())
	if err != nil {
		return err
	}
	return endPlan(cmd, &r, asJSON)
}

// watchPlan polls a plan until it has ended.
func watchPlan(ctx context.Context, src api.Planner, id string, progress *progressLine) (proxy.Report, error) {
	for {
		r, err := src.Report(ctx, id)
		if err != nil {
			return r, lostSight(id, err)
		}
		progress.show(planLine(&r))
		if !r.Ended.IsZero() {
			progress.end()
			return r, nil
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return r, ctx.Err()
		}
	}
}

// lostSight returns the error for a plan on another node that can no longer be followed but
// continues there.
func lostSight(id string, err error) error {
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Status != api.StatusUnreachable && e.Status != api.StatusNoAnswer {
		return err
	}
	return &api.Error{Status: e.Status, Text: fmt.Sprintf("cannot follow %s any longer: %s", id, e.Text), Hint: "it continues there: see tcpctl report " + id + " with the same --peer, once the node is back"}
}

// endPlan prints a plan's report, and returns the error that sets the exit status.
func endPlan(cmd *cobra.Command, r *proxy.Report, asJSON bool) error {
	if asJSON {
		printJSON(cmd.OutOrStdout(), r)
	} else {
		printReport(cmd.OutOrStdout(), r, false)
	}
	switch r.State {
	case proxy.PlanDone:
		return unknownNodes(r)
	case proxy.PlanTimedOut:
		return reported{fmt.Errorf("%w: %s", api.ErrTimedOut, r.Error)}
	}
	return reported{fmt.Errorf("%s %s %s: %s; tcpctl status shows the state of each backend", r.Kind, r.ID, r.State, r.Error)}
}

// unknownNodes returns an error if a report lacks the numbers of a node.
func unknownNodes(r *proxy.Report) error {
	var names []string
	for _, n := range r.Nodes {
		if n.State != proxy.NodeDone {
			names = append(names, n.Node)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return reported{fmt.Errorf("what became of the clients of %s is unknown; tcpctl report %s shows it once it is back", strings.Join(names, ", "), r.ID)}
}

// planLine returns a plan's progress in one line.
func planLine(r *proxy.Report) string {
	for i, s := range r.Steps {
		if s.State == proxy.StepRunning {
			return fmt.Sprintf("%s %s: step %d of %d, %s; %s", r.Kind, r.ID, i+1, len(r.Steps), s.What, planCounts(&r.Numbers))
		}
	}
	return fmt.Sprintf("%s %s: %s; %s", r.Kind, r.ID, r.State, planCounts(&r.Numbers))
}

// planCounts returns what happened to clients so far. Rejected clients are shown beside failed
// ones, as for them it is the same.
func planCounts(n *proxy.Numbers) string {
	text := fmt.Sprintf("%d held, %d failed", n.Held, n.Failed)
	if n.Rejected > 0 {
		text += fmt.Sprintf(", %d rejected", n.Rejected)
	}
	return text
}
