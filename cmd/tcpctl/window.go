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

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

func windowCommand() *cobra.Command {
	var call api.WindowCall
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "window SERVICE -- CMD...",
		Short: "Pause a service, run a command once no session is live, check, resume and report, in one transaction",
		Long: `Holds a service's clients in its queue while CMD runs: pause, wait until no
session is live, run CMD here, as you, with its output on this terminal, wait
for good checks, resume, report. CMD runs in a session of its own: when this
command line is killed it runs on, and the pause stands until --max.`,
		Example: "  tcpctl window db --reason 'kernel patch' -- ssh db-1 systemctl restart postgresql",
		GroupID: groupAct,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if cmd.ArgsLenAtDash() != 1 {
				return usage("the command comes behind two dashes: tcpctl window %s -- CMD...", args[0])
			}
			call.Service = args[0]
			if _, err := exec.LookPath(args[1]); err != nil {
				return usage("%v; nothing was paused", err)
			}
			src := source(cmd)
			defer src.Close()
			if call.DryRun {
				return dryWindow(cmd, src, &call, asJSON)
			}
			w := &window{src: src, argv: args[1:], asJSON: asJSON, progress: newProgress()}
			r, err := w.run(cmd.Context(), call)
			if err != nil {
				return err
			}
			return endPlan(cmd, &r, asJSON)
		},
	}
	paramFlags(cmd.Flags(), api.WindowParams, &call.Options)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func dryWindow(cmd *cobra.Command, src api.Source, call *api.WindowCall, asJSON bool) error {
	res, err := src.Do(cmd.Context(), api.Request{Act: "pause", Targets: []string{call.Service}, Options: call.Options})
	switch {
	case err != nil:
		return err
	case asJSON:
		return printJSON(cmd.OutOrStdout(), res)
	}
	printResult(cmd.OutOrStdout(), res)
	return nil
}

// window is the operator's side of a maintenance window.
type window struct {
	src      api.Planner
	argv     []string
	asJSON   bool // stdout is for the report
	progress *progressLine

	call  api.WindowCall // which window, for later calls
	ended chan error     // of the command; nil: it has not begun
}

// run goes through the window's whole life, from the pause to the report.
func (w *window) run(ctx context.Context, call api.WindowCall) (proxy.Report, error) {
	a, err := w.src.Window(ctx, call)
	if err != nil {
		return a.Report, err
	}
	w.call = api.WindowCall{ID: a.Report.ID, Token: a.Token}
	// An interrupt must not leave the window without its owner: the command
	// has a session of its own and does not get it, and this
	// process ignores it.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	for {
		r, err := w.src.Report(ctx, w.call.ID)
		if err != nil {
			w.progress.alone()
			return r, fmt.Errorf("%w; the window stays open until its deadline, and a command that has begun runs on; tcpctl report shows it", err)
		}
		if !r.Ended.IsZero() {
			w.progress.alone()
			w.progress.show(planLine(&r))
			w.progress.end()
			w.warnRunning()
			return r, nil
		}
		w.progress.show(planLine(&r))
		if w.ended == nil && stepIs(&r, "command") {
			w.progress.share()
			w.start(ctx)
		}
		select {
		case err := <-w.ended:
			w.ended = make(chan error) // nothing more comes
			w.progress.alone()
			w.reportEnd(ctx, err)
		case <-interrupts:
			w.interrupted(ctx)
		case <-time.After(200 * time.Millisecond):
			if w.ended != nil {
				w.src.Window(ctx, w.call) // a heartbeat; a failure shows at the next report
			}
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

// start begins the command, in a session of its own, and sends its process id.
func (w *window) start(ctx context.Context) {
	cmd := exec.Command(w.argv[0], w.argv[1:]...)
	shareTerminal(cmd, w.asJSON)
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		cmd.Stdin = os.Stdin // a terminal cannot be read from another session
	}
	ownSession(cmd)
	w.ended = make(chan error, 1)
	if err := cmd.Start(); err != nil {
		w.ended <- err
		return
	}
	w.call.PID = cmd.Process.Pid
	w.src.Window(ctx, w.call)
	go waitFor(cmd, w.ended)
}

func waitFor(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }

// reportEnd sends how the command has ended.
func (w *window) reportEnd(ctx context.Context, err error) {
	call := w.call
	call.Ended = true
	if err != nil {
		call.Failed = err.Error()
	}
	if _, err := w.src.Window(ctx, call); err != nil {
		fmt.Fprintln(stderr, "tcpctl: "+err.Error())
	}
}

// interrupted gives the window up before the command has begun; later it only
// says what goes on.
func (w *window) interrupted(ctx context.Context) {
	if w.ended != nil {
		fmt.Fprintln(stderr, "tcpctl: the command runs on and clients wait for it; kill it, or use tcpctl resume --force")
		return
	}
	w.progress.clear()
	if _, err := w.src.Do(ctx, api.Request{Act: "plan", Args: []string{"abort", w.call.ID}}); err != nil {
		fmt.Fprintln(stderr, "tcpctl: "+err.Error())
	}
}

// warnRunning warns when the window ended with the command still running.
func (w *window) warnRunning() {
	if w.call.PID == 0 {
		return
	}
	select {
	case <-w.ended:
	default:
		if processAlive(w.call.PID) {
			fmt.Fprintf(stderr, "tcpctl: the command still runs as process %d; kill it if it must not go on\n", w.call.PID)
		}
	}
}
