package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// windowNode is one node's part of a window.
type windowNode struct {
	api.Member // the zero Member is the only node of a window
	src        api.Planner
	here       bool // the command runs on its machine

	call   api.WindowCall // identifies the window in later calls
	report proxy.Report   // the last known one
	err    error          // of the last request
	heard  time.Time      // time of the last answer
}

// How long a node may be silent if there are several.
const (
	nodeAnswers = 1500 * time.Millisecond // per request, for which other nodes wait
	nodeReturns = 10 * time.Second        // before the command; then the window is given up
)

// nodeReports is how long a node may be silent after the command, until its numbers count as unknown. Tests set it.
var nodeReports = 30 * time.Second

// open begins the node's window.
func (n *windowNode) open(ctx context.Context, call api.WindowCall) error {
	a, err := n.src.Window(ctx, call)
	if err != nil {
		return err
	}
	n.call, n.report, n.heard = api.WindowCall{ID: a.Report.ID, Token: a.Token}, a.Report, time.Now()
	return nil
}

// ended reports whether the node's window has ended.
func (n *windowNode) ended() bool { return !n.report.Ended.IsZero() }

// silent returns the time since the last answer.
func (n *windowNode) silent() time.Duration { return time.Since(n.heard) }

// onEach calls do concurrently for each node whose window has not ended.
func (w *window) onEach(ctx context.Context, do func(context.Context, *windowNode)) {
	if len(w.nodes) > 1 { // a node that does not answer must not delay the others
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, nodeAnswers)
		defer cancel()
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, api.AskAtOnce)
	for _, n := range w.nodes {
		if !n.ended() {
			room <- struct{}{}
			wg.Go(func() { do(ctx, n); <-room })
		}
	}
	wg.Wait()
}

// look asks a node for its report, and tells it that the owner is alive or that the command has
// ended. If that fails, the next call repeats it.
func (w *window) look(ctx context.Context, n *windowNode) {
	r, err := n.src.Report(ctx, n.call.ID)
	if n.err = err; err != nil {
		return
	}
	n.report, n.heard = r, time.Now()
	if !stepIs(&r, "command") {
		return
	}
	call := n.call
	if n.here {
		call.PID = w.pid
	}
	if call.Ended = w.exited; w.failed != nil {
		call.Failed = w.failed.Error()
	}
	n.src.Window(ctx, call) // an error shows at the next report
}

// abort ends the window on all nodes before the command, by force: a node without live sessions
// takes the command for running.
func (w *window) abort(ctx context.Context) {
	w.onEach(ctx, func(ctx context.Context, n *windowNode) {
		if _, err := n.src.Do(ctx, api.Request{Act: "plan", Args: []string{"abort", n.call.ID}, Options: api.Options{Force: true}}); err != nil {
			fmt.Fprintln(stderr, "tcpctl: "+n.prefix()+err.Error())
		}
	})
}

// prefix names the node if there are several.
func (n *windowNode) prefix() string {
	if n.Node == "" {
		return ""
	}
	return n.Node + ": "
}

// lost returns the error if the window's only node does not answer.
func (w *window) lost() error {
	if n := w.nodes[0]; len(w.nodes) == 1 && n.err != nil {
		return fmt.Errorf("%w; the window stays open until its deadline, and a command that has begun runs on; tcpctl report shows it", n.err)
	}
	return nil
}

// over reports whether each node's window has ended or is given up as unknown.
func (w *window) over() bool {
	running := w.exit != nil && !w.exited
	return !slices.ContainsFunc(w.nodes, func(n *windowNode) bool {
		return !n.ended() && (running || n.err == nil || n.silent() < nodeReports)
	})
}

// ready reports whether the command may begin: no session is live on any node.
func (w *window) ready() bool {
	return w.given == nil && !slices.ContainsFunc(w.nodes, func(n *windowNode) bool { return n.err != nil || !stepIs(&n.report, "command") })
}

// giveUp aborts the window on all nodes if, before the command, it has ended on one or one does not
// answer.
func (w *window) giveUp(ctx context.Context) {
	if len(w.nodes) == 1 || w.given != nil {
		return
	}
	for _, n := range w.nodes {
		switch {
		case n.ended():
			w.given = fmt.Errorf("%s: %s before the command had begun; it was not run, and the window was aborted on the other nodes", n.Node, n.report.State)
		case n.err != nil && n.silent() > nodeReturns:
			w.given = fmt.Errorf("%s does not answer; the command was not run, and the window was aborted on the other nodes", n.Node)
		}
	}
	if w.given != nil {
		w.abort(ctx)
	}
}

// line returns the window's progress.
func (w *window) line() string {
	if len(w.nodes) == 1 {
		return planLine(&w.nodes[0].report)
	}
	var sum proxy.Numbers
	var silent, steps []string
	at := map[string]int{}
	for _, n := range w.nodes {
		if n.err != nil {
			silent = append(silent, n.Node)
		}
		is := &n.report.Numbers
		sum.Held, sum.Failed, sum.Rejected = sum.Held+is.Held, sum.Failed+is.Failed, sum.Rejected+is.Rejected
		step := n.report.State
		for _, s := range n.report.Steps {
			if s.State == proxy.StepRunning {
				step = s.What
			}
		}
		if at[step]++; at[step] == 1 {
			steps = append(steps, step)
		}
	}
	for i, step := range steps {
		steps[i] = fmt.Sprintf("%d %s", at[step], step)
	}
	line := fmt.Sprintf("window of %s on %d nodes: %s; %s", w.nodes[0].report.Service, len(w.nodes), strings.Join(steps, ", "), planCounts(&sum))
	if len(silent) > 0 {
		line += "; no answer: " + strings.Join(silent, ", ")
	}
	return line
}

// onEachNode runs the window on this node and each peer with the service.
func (w *window) onEachNode(cmd *cobra.Command, src *control.Client, call api.WindowCall) error {
	ctx := cmd.Context()
	if err := w.openAll(ctx, src, call); err != nil {
		return err
	}
	warnDeparted(ctx, cmd, src)
	if err := w.run(ctx); err != nil {
		return err
	}
	if w.asJSON {
		printJSON(cmd.OutOrStdout(), w.answers())
	} else {
		w.print(cmd.OutOrStdout())
	}
	return w.result()
}

// openAll opens the window on all nodes or on none. An unreachable node would admit clients while
// the command runs, so only --force leaves it out.
func (w *window) openAll(ctx context.Context, src *control.Client, call api.WindowCall) error {
	members, err := api.Members(ctx, src)
	if err != nil {
		return err
	}
	for _, m := range members {
		switch why := m.Unreachable(); {
		case why == "":
		case !call.Force:
			return fmt.Errorf("%s cannot be asked to hold its clients: %s; nothing was paused; use --force to leave it out", m.Node, why)
		default:
			fmt.Fprintf(stderr, "tcpctl: %s is left out, and may admit clients: %s\n", m.Node, why)
		}
	}
	asking, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	peer := func(id string) api.Source { return src.Peer(id) }
	answers, err := api.AskAll(asking, src, peer, func(ctx context.Context, s api.Source) (*windowNode, error) {
		n := &windowNode{src: s.(api.Planner)}
		return n, n.open(ctx, call)
	})
	if err != nil {
		return err
	}
	answers, without := whoHave(answers)
	if len(answers) == 0 {
		return without[0].Error
	}
	var refused []string
	for _, a := range answers {
		switch {
		case a.Error == nil:
			n := a.Result
			n.Member, n.here = a.Member, a.Here()
			w.nodes = append(w.nodes, n)
		case a.Unreachable() == "": // otherwise it was left out
			refused = append(refused, a.Node+": "+a.Error.Error())
		}
	}
	if len(refused) > 0 {
		w.abort(ctx)
		return fmt.Errorf("%s; the window was aborted on the other nodes, and the command was not run", strings.Join(refused, "; "))
	}
	return nil
}

// answers returns what is known of each node at the end.
func (w *window) answers() (all []api.Answer[proxy.Report]) {
	for _, n := range w.nodes {
		a := api.Answer[proxy.Report]{Member: n.Member, Outcome: api.OutcomeDone, Result: n.report}
		if !n.ended() {
			a.Outcome, a.Error = api.OutcomeUnknown, api.NoAnswer(fmt.Sprintf("no answer for %s", n.silent().Round(time.Second)))
		}
		all = append(all, a)
	}
	return all
}

// parts returns the nodes' rows of the common report.
func (w *window) parts() (all []nodePart) {
	for _, n := range w.nodes {
		p := nodePart{NodeReport: proxy.NodeReport{Node: n.Node, State: n.report.State, Numbers: n.report.Numbers}, report: n.report.ID,
			took: n.report.Took().String(), overdueSeconds: n.report.OverdueSeconds}
		if !n.ended() {
			p.State, p.Unknown, p.took = proxy.NodeUnknown, "no answer since "+n.heard.Local().Format(time.TimeOnly), ""
		}
		all = append(all, p)
	}
	return all
}

// print prints one report of all nodes, the result first.
func (w *window) print(out io.Writer) {
	var nodes []proxy.NodeReport
	for _, p := range w.parts() {
		if p.Unknown == "" { // its numbers count, however its window ended
			p.State = proxy.NodeDone
		}
		nodes = append(nodes, p.NodeReport)
	}
	fmt.Fprintf(out, "window of %s: %s\n", w.nodes[0].report.Service, proxy.AcrossNodes(nodes))
	printParts(out, w.parts())
	for _, n := range w.nodes {
		if n.report.Error != "" {
			fmt.Fprintf(out, "%s: %s\n", n.Node, text.Safe(n.report.Error))
		}
	}
}

// result returns an error unless the window succeeded on each node.
func (w *window) result() error {
	var bad []string
	timedOut := false
	for _, n := range w.nodes {
		switch {
		case !n.ended():
			bad = append(bad, n.Node+": unknown; tcpctl report --peer "+n.Node+" shows it once it is back")
		case n.report.State != proxy.PlanDone:
			bad = append(bad, n.Node+": "+n.report.State)
			timedOut = timedOut || n.report.State == proxy.PlanTimedOut
		}
	}
	switch text := strings.Join(bad, "; "); {
	case len(bad) == 0:
		return nil
	case timedOut:
		return reported{fmt.Errorf("%w: %s", api.ErrTimedOut, text)}
	case w.given != nil:
		return reported{w.given}
	default:
		return reported{errors.New(text)}
	}
}
