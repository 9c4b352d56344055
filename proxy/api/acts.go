package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

var (
	drainParams  = []Param{paramLimit, paramThen, paramQuiet, paramReason, paramForce, paramHere, paramDryRun, paramWait, paramSave}
	removeParams = []Param{paramLimit, paramThen, paramQuiet, paramReason, paramForce, paramDryRun, paramWait, paramSave}
)

// Acts is the table of all acts, in the order of the help.
var Acts = []Act{
	{
		Name: "drain", On: OnBackend, Many: true, Level: LevelYesNo, Undo: "ready", Params: drainParams,
		Short:  "Send a backend no new sessions; live ones end by themselves, checks continue",
		impact: impactOfTaking("drain"), progress: drainProgress,
		apply: on(FindBackend, func(b *proxy.Backend, r *Request) (string, error) {
			return b.Drain(proxy.DrainOptions{Limit: r.Limit, Then: r.Then, Quiet: r.Quiet, By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "maint", On: OnBackend, Many: true, Level: LevelYesNo, Undo: "ready", Params: []Param{paramQuiet, paramReason, paramForce, paramHere, paramDryRun, paramWait, paramSave},
		Short:  "Drain a backend and stop its checks",
		impact: impactOfTaking("maint"), progress: drainProgress,
		apply: on(FindBackend, func(b *proxy.Backend, r *Request) (string, error) {
			return b.Maint(proxy.DrainOptions{Quiet: r.Quiet, By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "ready", On: OnBackend, Many: true, Level: LevelNone, Params: []Param{paramReason, paramHere, paramDryRun, paramWait, paramSave},
		Short:    "Put a backend back in service",
		progress: readyProgress,
		apply: on(FindBackend, func(b *proxy.Backend, r *Request) (string, error) {
			return b.Ready(r.By, r.Reason)
		}),
	},
	{
		Name: "weight", On: OnBackend, Args: "N", Level: LevelNone, Undo: "weight", Params: []Param{paramReason, paramForce, paramHere, paramDryRun, paramSave},
		Short: "Change a backend's share of new sessions",
		args:  validateWeight, impact: impactOfWeight,
		apply: on(FindBackend, func(b *proxy.Backend, r *Request) (string, error) {
			n, err := weightOf(r.Args)
			if err != nil {
				return "", err
			}
			return b.SetWeight(n, r.By, r.Reason)
		}),
	},
	{
		Name: "pause", On: OnService, Many: true, Level: LevelDialog, Undo: "resume",
		Params: []Param{paramLimit, paramThen, paramQuiet, paramMax, paramReason, paramForce, paramHere, paramDryRun, paramWait},
		Short:  "Hold new clients in the queue",
		impact: impactOfPause, progress: pauseProgress,
		apply: on(FindService, func(s *proxy.Service, r *Request) (string, error) {
			return s.Pause(proxy.PauseOptions{Limit: r.Limit, Then: r.Then, Max: r.Max, Quiet: r.Quiet, By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "resume", On: OnService, Many: true, Level: LevelNone, Undo: "pause", Params: []Param{paramRate, paramReason, paramForce, paramHere, paramDryRun, paramWait},
		Short:  "Admit the clients that a pause holds",
		impact: impactOfResume, progress: resumeProgress,
		apply: on(FindService, func(s *proxy.Service, r *Request) (string, error) {
			return s.Resume(proxy.ResumeOptions{Rate: r.Rate, By: r.By, Reason: r.Reason, Force: r.Force})
		}),
	},
	{
		Name: "restart", On: OnBackend, Level: LevelDialog, Plan: true,
		Params: []Param{paramLimit, paramThen, paramQuiet, paramMax, paramRate, paramReason, paramForce, paramHere, paramDryRun},
		Short:  "Drain a backend, run its restart command, wait until its checks pass, and put it back",
		impact: impactOfRestart, progress: planProgress,
		apply: on(FindBackend, func(b *proxy.Backend, r *Request) (string, error) {
			p, err := b.StartRestart(planOptions(r))
			if err != nil {
				return "", err
			}
			return "restart " + b.Name() + " begins: " + p.Report().ID, nil
		}),
	},
	{
		Name: "roll", On: OnService, Args: "[BACKEND-GLOB]", Level: LevelDialog, Plan: true,
		Params: []Param{paramLimit, paramThen, paramQuiet, paramMax, paramRate, paramMinUp, paramMaxW, paramReason, paramForce, paramHere, paramDryRun},
		Short:  "Restart one backend after the other; stop at the first failure",
		impact: impactOfRoll, progress: planProgress,
		apply: on(FindService, func(s *proxy.Service, r *Request) (string, error) {
			o := planOptions(r)
			if len(r.Args) > 0 {
				o.Match = r.Args[0]
			}
			p, err := s.StartRoll(o)
			if err != nil {
				return "", err
			}
			return "roll " + s.Name() + " begins: " + p.Report().ID, nil
		}),
	},
	{
		Name: "plan", On: OnNothing, Args: planArgs, Level: LevelYesNo, Params: []Param{paramReason, paramForce, paramDryRun},
		Short: "Pause, continue or abort the running restart, window or roll",
		args:  validatePlanArgs, impact: impactOfPlan, apply: (*Local).steer,
	},
	{
		Name: "cluster", On: OnNothing, Args: clusterArgs, Level: LevelYesNo, Params: []Param{paramReason, paramForce, paramDryRun},
		Short: "Create a cluster, change its voters or leader, or let a voter rejoin",
		args:  validateClusterArgs, impact: impactOfCluster, apply: (*Local).changeCluster,
	},
	{
		Name: "close", On: OnService, Many: true, Level: LevelDialog, Undo: "open", Params: []Param{paramReason, paramForce, paramDryRun},
		Short:  "Refuse new clients by closing the listener, so that an outer balancer moves on",
		impact: impactOfClose,
		apply: on(FindService, func(s *proxy.Service, r *Request) (string, error) {
			return s.StopListening(r.By, r.Reason)
		}),
	},
	{
		Name: "open", On: OnService, Many: true, Level: LevelNone, Undo: "close", Params: []Param{paramReason, paramDryRun},
		Short: "Accept new clients again after close",
		apply: on(FindService, func(s *proxy.Service, r *Request) (string, error) {
			return s.StartListening(r.By, r.Reason)
		}),
	},
	{
		Name: "kick", On: OnSession, Many: true, Level: LevelYesNo,
		Params: []Param{paramSvc, paramBack, paramClient, paramRate.saying("how many to close per second, such as `10/s` (default: all at once)"), paramReason, paramDryRun},
		Short:  "Close sessions or waiting clients",
		impact: impactOfKick, apply: (*Local).kick,
	},
	{
		Name: "add", On: OnService, Args: "ADDR[,weight=N][,priority=N][,check=PORT][,name=NAME]", Level: LevelYesNo,
		Params: []Param{paramReason, paramDryRun, paramSave}, Short: "Add a backend at run time",
		args: validateBackend,
		apply: on(FindService, func(s *proxy.Service, r *Request) (string, error) {
			c, err := backendOf(r.Args)
			if err != nil {
				return "", err
			}
			return s.Add(c, r.By, r.Reason)
		}),
	},
	{
		Name: "remove", On: OnBackend, Many: true, Level: LevelDialog, Params: removeParams,
		Short:  "Drain a backend, then remove it",
		impact: impactOfTaking("remove"), progress: removeProgress,
		apply: on(FindBackend, func(b *proxy.Backend, r *Request) (string, error) {
			return b.Remove(proxy.DrainOptions{Limit: r.Limit, Then: r.Then, Quiet: r.Quiet, By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "probe", On: OnBackend, Many: true, Level: LevelNone,
		Short: "Check a backend, or all backends of a service, and print the results",
		apply: (*Local).probe,
	},
	{
		Name: "mark", On: OnNothing, Args: "TEXT", Level: LevelNone,
		Short: "Add a note to the event log",
		args:  validateNote, apply: (*Local).mark,
	},
	{
		Name: "reload", On: OnNothing, Level: LevelYesNo,
		Short: "Reload the configuration file and print what changed",
		apply: (*Local).reload,
	},
	{
		Name: "upgrade", On: OnNothing, Level: LevelYesNo, Params: []Param{paramReason, paramDryRun},
		Short:  "Replace the running binary without refusing a client; live sessions end in the old process",
		impact: impactOfUpgrade, apply: (*Local).upgrade,
	},
	{
		Name: "stop", On: OnNothing, Level: LevelDialog, Params: []Param{paramGrace, paramReason, paramDryRun},
		Short:  "Stop the instance: close listeners, let waiters and sessions end within the grace period, reset the rest",
		impact: impactOfStop, progress: stopProgress, apply: (*Local).stop,
	},
}

// on applies do to each target of a request, which find finds.
func on[T any](find func(*proxy.Engine, string) (T, error), do func(T, *Request) (string, error)) func(*Local, *Status, *Act, Request) (Result, error) {
	return each(func(e *proxy.Engine, target string, r *Request) (string, error) {
		to, err := find(e, target)
		if err != nil {
			return "", err
		}
		return do(to, r)
	})
}

func weightOf(args []string) (int, error) {
	if len(args) == 1 {
		n, err := strconv.Atoi(args[0])
		switch bad := proxy.ValidateWeight(n); {
		case errors.Is(err, strconv.ErrSyntax):
		case errors.Is(err, strconv.ErrRange):
			return 0, Wrong("weight "+args[0]+" is out of range", bad.(*proxy.ValueError).Hint)
		case bad != nil:
			return 0, AsError(bad)
		case err == nil:
			return n, nil
		}
	}
	return 0, Wrong(fmt.Sprintf("weight takes one whole number from 0, not %q", strings.Join(args, " ")), "0 gives a backend no new sessions")
}

func validateWeight(args []string) error {
	_, err := weightOf(args)
	return err
}

func validateBackend(args []string) error {
	_, err := backendOf(args)
	return err
}

func backendOf(args []string) (proxy.BackendConfig, error) {
	if len(args) != 1 {
		return proxy.BackendConfig{}, Wrong("add takes a service and an address", "try: tcpctl add SERVICE HOST:PORT")
	}
	c, err := proxy.ParseBackend(args[0])
	switch bad, ok := errors.AsType[*proxy.ValueError](err); {
	case ok && bad.Hint != "":
		return c, AsError(bad)
	case err != nil:
		return c, Wrong(err.Error(), "try: HOST:PORT,weight=2")
	}
	return c, nil
}

func validateNote(args []string) error {
	if err := proxy.ValidateNote("text", strings.Join(args, " ")); err != nil {
		return AsError(err)
	}
	if strings.TrimSpace(strings.Join(args, " ")) == "" {
		return Wrong("mark needs a text", "like: tcpctl mark kernel patch begins")
	}
	return nil
}
