package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

func windowCommand() *cobra.Command {
	var call api.WindowCall
	var asJSON bool
	cmd := takesAll(&cobra.Command{
		Use:   "window SERVICE -- CMD...",
		Short: "Pause a service, run a command once no session is live, check, resume and report",
		Long: `Holds a service's clients in its queue while CMD runs: pause, wait until no
session is live, run CMD here, as you, with its output on this terminal, wait
until checks pass, resume, report. CMD runs in a process session of its own: if
tcpctl is killed, CMD keeps running and the pause lasts until --max.

If the service's scope is cluster, all nodes that have the service take part in
one transaction. Even if the leader changes, no node resumes before CMD has ended
and checks pass on all nodes, or before --max if nobody knows whether CMD still
runs. A node that cannot be reached is named, and left out only with --force.

With --peer all, the service pauses on each node of the mesh that has it. CMD
runs once, here, when no session is live on any of them; then each node checks
and resumes by itself. There is one report, which names the nodes whose numbers
are unknown. This is best effort: a node that becomes unreachable from here while
CMD runs holds its clients until its --max, and then admits them.`,
		Example: `  tcpctl window db --reason 'kernel patch' -- ssh db-1 systemctl restart postgresql
  tcpctl window db --peer all -- ssh db-1 systemctl restart postgresql`,
		GroupID: groupAct,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 1 {
				return usage("the command comes behind two dashes: tcpctl window %s -- CMD...", args[0])
			}
			call.Service = args[0]
			return runWindow(cmd, call, args[1:], asJSON)
		},
	})
	paramFlags(cmd.Flags(), api.WindowParams, &call.Options)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// runWindow runs a window whose command is argv.
func runWindow(cmd *cobra.Command, call api.WindowCall, argv []string, asJSON bool) error {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return usage("%v; nothing was paused; give a program of $PATH, or its path", err)
	}
	src := source(cmd)
	defer src.Close()
	if everywhere(cmd) && !call.Here {
		if err := onePlanEach(cmd.Context(), src, call.Service); err != nil {
			return err
		}
	}
	if call.DryRun {
		return dryWindow(cmd, src, &call, asJSON)
	}
	w := &window{argv: argv, asJSON: asJSON, progress: newProgress()}
	if everywhere(cmd) {
		return w.onEachNode(cmd, src, call)
	}
	peer, _ := cmd.Flags().GetString("peer")
	w.nodes = []*windowNode{{src: src, here: peer == ""}}
	if err := w.nodes[0].open(cmd.Context(), call); err != nil {
		return err
	}
	if err := w.run(cmd.Context()); err != nil {
		return err
	}
	return endPlan(cmd, &w.nodes[0].report, asJSON)
}

// dryWindow prints what the window would do.
func dryWindow(cmd *cobra.Command, src *control.Client, call *api.WindowCall, asJSON bool) error {
	if everywhere(cmd) {
		r := api.Request{Act: "pause", Targets: []string{call.Service}, Options: call.Options}
		return actEverywhere(cmd, src, api.Lookup("pause"), r, false, asJSON)
	}
	answer, err := src.Window(cmd.Context(), *call)
	res := api.Result{Texts: []string{"nothing was done"}, Impact: answer.Impact}
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(cmd.OutOrStdout(), res)
	}
	printResult(cmd.OutOrStdout(), res)
	return nil
}

// window is the operator's side of a maintenance window on one node, or on all nodes with the
// service.
type window struct {
	nodes    []*windowNode
	argv     []string
	asJSON   bool // stdout is for the report
	progress *progressLine

	pid    int        // of the command; 0: not begun
	exit   chan error // result of the command; nil: not begun
	exited bool       // the command has ended; failed is its error
	failed error
	given  error // why the window was given up before the command; may be nil
}

// run runs the window, from the pause to the report.
func (w *window) run(ctx context.Context) error {
	// An interrupt must not leave the window without its owner: the command, in its own session,
	// does not get it, and this process ignores it.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	for {
		w.onEach(ctx, w.look)
		if err := w.lost(); err != nil {
			w.progress.alone()
			return err
		}
		if w.over() {
			w.progress.alone()
			w.progress.show(w.line())
			w.progress.end()
			w.warnRunning()
			return nil
		}
		w.progress.show(w.line())
		switch {
		case w.exit != nil:
		case w.ready():
			w.progress.share()
			w.start()
		default:
			w.giveUp(ctx)
		}
		select {
		case w.failed = <-w.exit:
			w.exited, w.exit = true, make(chan error) // never ready again
			w.progress.alone()
		case <-interrupts:
			w.interrupted(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func stepIs(r *proxy.Report, what string) bool {
	for _, s := range r.Steps {
		if s.What == what {
			return s.State == proxy.StepRunning
		}
	}
	return false
}

// start starts the command in its own session.
func (w *window) start() {
	cmd := exec.Command(w.argv[0], w.argv[1:]...)
	shareTerminal(cmd, w.asJSON)
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		cmd.Stdin = os.Stdin // a terminal cannot be read from another session
	}
	ownSession(cmd)
	w.exit = make(chan error, 1)
	if err := cmd.Start(); err != nil {
		w.exit <- err
		return
	}
	w.pid = cmd.Process.Pid
	go waitFor(cmd, w.exit)
}

func waitFor(cmd *exec.Cmd, exit chan<- error) { exit <- cmd.Wait() }

// interrupted gives up the window before the command has begun. Later it only says what continues.
func (w *window) interrupted(ctx context.Context) {
	if w.exit != nil {
		fmt.Fprintln(stderr, "tcpctl: the command runs on and clients wait for it; kill it, or use tcpctl resume --force")
		return
	}
	w.progress.clear()
	w.abort(ctx)
}

// warnRunning warns if the window ended while the command still runs.
func (w *window) warnRunning() {
	if w.pid != 0 && !w.exited && processAlive(w.pid) {
		fmt.Fprintf(stderr, "tcpctl: the command still runs as process %d; kill it if it must not go on\n", w.pid)
	}
}
