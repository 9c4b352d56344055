package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

var drainParams = []Param{paramLimit, paramThen, paramReason, paramForce, paramDryRun, paramWait, paramSave}

// Acts is the one table of what can be done. Its order is that of the help.
var Acts = []Act{
	{
		Name: "drain", On: OnBackend, Many: true, Level: LevelYesNo, Undo: "ready", Params: drainParams,
		Short:  "No new sessions for a backend; live ones end by themselves, checks go on",
		impact: impactOfTaking("drain"), progress: drainProgress,
		apply: onBackend(func(b *proxy.Backend, r *Request) (string, error) {
			return b.Drain(proxy.DrainOptions{Limit: r.Limit, Then: r.Then, By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "maint", On: OnBackend, Many: true, Level: LevelYesNo, Undo: "ready", Params: []Param{paramReason, paramForce, paramDryRun, paramWait, paramSave},
		Short:  "The same as drain, and checks stop",
		impact: impactOfTaking("maint"), progress: drainProgress,
		apply: onBackend(func(b *proxy.Backend, r *Request) (string, error) {
			return b.Maint(proxy.DrainOptions{By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "ready", On: OnBackend, Many: true, Level: LevelNone, Params: []Param{paramReason, paramDryRun, paramWait, paramSave},
		Short:    "Put a backend back in service",
		progress: readyProgress,
		apply: onBackend(func(b *proxy.Backend, r *Request) (string, error) {
			return b.Ready(r.By, r.Reason)
		}),
	},
	{
		Name: "weight", On: OnBackend, Args: "N", Level: LevelNone, Undo: "weight", Params: []Param{paramReason, paramForce, paramDryRun, paramSave},
		Short: "Change a backend's share of new sessions",
		args:  judgeWeight, impact: impactOfWeight,
		apply: onBackend(func(b *proxy.Backend, r *Request) (string, error) {
			n, err := weightOf(r.Args)
			if err != nil {
				return "", err
			}
			return b.SetWeight(n, r.By, r.Reason)
		}),
	},
	{
		Name: "pause", On: OnService, Many: true, Level: LevelDialog, Undo: "resume",
		Params: []Param{paramLimit, paramThen, paramMax, paramReason, paramForce, paramDryRun, paramWait},
		Short:  "Hold new clients in the queue",
		impact: impactOfPause, progress: pauseProgress,
		apply: onService(func(s *proxy.Service, r *Request) (string, error) {
			return s.Pause(proxy.PauseOptions{Limit: r.Limit, Then: r.Then, Max: r.Max, By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "resume", On: OnService, Many: true, Level: LevelNone, Undo: "pause", Params: []Param{paramRate, paramReason, paramForce, paramDryRun, paramWait},
		Short:    "Let those through who are held by a pause",
		progress: resumeProgress,
		apply: onService(func(s *proxy.Service, r *Request) (string, error) {
			return s.Resume(proxy.ResumeOptions{Rate: r.Rate, By: r.By, Reason: r.Reason, Force: r.Force})
		}),
	},
	{
		Name: "restart", On: OnBackend, Level: LevelDialog, Plan: true,
		Params: []Param{paramLimit, paramThen, paramMax, paramRate, paramReason, paramForce, paramDryRun},
		Short:  "Drain a backend, run its restart command, wait for good checks, and put it back",
		impact: impactOfRestart, progress: planProgress,
		apply: onBackend(func(b *proxy.Backend, r *Request) (string, error) {
			p, err := b.StartRestart(planOptions(r, r.By))
			if err != nil {
				return "", err
			}
			return "restart " + b.Name() + " begins: " + p.Report().ID, nil
		}),
	},
	{
		Name: "roll", On: OnService, Args: "[BACKEND-GLOB]", Level: LevelDialog, Plan: true,
		Params: []Param{paramLimit, paramThen, paramMax, paramRate, paramMinUp, paramMaxW, paramReason, paramForce, paramDryRun},
		Short:  "Restart each backend in turn; stops at the first failure",
		impact: impactOfRoll, progress: planProgress,
		apply: onService(func(s *proxy.Service, r *Request) (string, error) {
			o := planOptions(r, r.By)
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
		Short: "Hold the restart, window or roll that is under way, let it go on, or abort it",
		args:  judgePlanArgs, impact: impactOfPlan, apply: (*Local).steer,
	},
	{
		Name: "close", On: OnService, Many: true, Level: LevelDialog, Undo: "open", Params: []Param{paramReason, paramForce, paramDryRun},
		Short:  "Refuse new clients by closing the listener, so that an outer balancer moves on",
		impact: impactOfClose,
		apply: onService(func(s *proxy.Service, r *Request) (string, error) {
			return s.StopListening(r.By, r.Reason)
		}),
	},
	{
		Name: "open", On: OnService, Many: true, Level: LevelNone, Undo: "close", Params: []Param{paramReason, paramDryRun},
		Short: "Listen again",
		apply: onService(func(s *proxy.Service, r *Request) (string, error) {
			return s.StartListening(r.By, r.Reason)
		}),
	},
	{
		Name: "kick", On: OnSession, Many: true, Level: LevelYesNo,
		Params: []Param{paramSvc, paramBack, paramClient, paramRate.saying("close so many a second, like `10/s` (default: all at once)"), paramReason, paramDryRun},
		Short:  "Close sessions or waiting clients",
		impact: impactOfKick, apply: (*Local).kick,
	},
	{
		Name: "add", On: OnService, Args: "ADDR[,weight=N][,priority=N][,check=PORT][,name=NAME]", Level: LevelYesNo,
		Params: []Param{paramReason, paramDryRun, paramSave}, Short: "Add a backend at run time",
		args: judgeBackend,
		apply: onService(func(s *proxy.Service, r *Request) (string, error) {
			c, err := backendOf(r.Args)
			if err != nil {
				return "", err
			}
			return s.Add(c, r.By, r.Reason)
		}),
	},
	{
		Name: "remove", On: OnBackend, Many: true, Level: LevelDialog, Params: drainParams,
		Short:  "Drain a backend, then forget it",
		impact: impactOfTaking("remove"), progress: removeProgress,
		apply: onBackend(func(b *proxy.Backend, r *Request) (string, error) {
			return b.Remove(proxy.DrainOptions{Limit: r.Limit, Then: r.Then, By: r.By, Reason: r.Reason})
		}),
	},
	{
		Name: "probe", On: OnBackend, Many: true, Level: LevelNone,
		Short: "Check a backend now, or all of a service, and say what came",
		apply: (*Local).probe,
	},
	{
		Name: "mark", On: OnNothing, Args: "TEXT", Level: LevelNone,
		Short: "Put a note on the time line",
		args:  judgeNote, apply: (*Local).mark,
	},
	{
		Name: "reload", On: OnNothing, Level: LevelYesNo,
		Short: "Read the configuration file again; print what changed",
		apply: (*Local).reload,
	},
	{
		Name: "upgrade", On: OnNothing, Level: LevelYesNo, Params: []Param{paramReason, paramDryRun},
		Short:  "Replace the binary without refusing a client; sessions go on to their end in the old process",
		impact: impactOfUpgrade, apply: (*Local).upgrade,
	},
	{
		Name: "stop", On: OnNothing, Level: LevelDialog, Params: []Param{paramGrace, paramReason, paramDryRun},
		Short:  "Stop: listeners close, waiters and sessions get the grace, then the rest is reset",
		impact: impactOfStop, apply: (*Local).stop,
	},
}

// onBackend does it to each backend that a request names.
func onBackend(do func(*proxy.Backend, *Request) (string, error)) func(*Local, *Status, *Act, Request) (Result, error) {
	return each(func(e *proxy.Engine, target string, r *Request) (string, error) {
		b, err := FindBackend(e, target)
		if err != nil {
			return "", err
		}
		return do(b, r)
	})
}

// onService does it to each service that a request names.
func onService(do func(*proxy.Service, *Request) (string, error)) func(*Local, *Status, *Act, Request) (Result, error) {
	return each(func(e *proxy.Engine, target string, r *Request) (string, error) {
		s, err := FindService(e, target)
		if err != nil {
			return "", err
		}
		return do(s, r)
	})
}

func weightOf(args []string) (int, error) {
	if len(args) == 1 {
		n, err := strconv.Atoi(args[0])
		switch bad := proxy.ValidateWeight(n); {
		case errors.Is(err, strconv.ErrSyntax):
		case bad != nil: // Atoi gives the nearest of what is out of its own range
			return 0, AsError(bad)
		case err == nil:
			return n, nil
		}
	}
	return 0, Wrong(fmt.Sprintf("weight takes one whole number from 0, not %s", strings.Join(args, " ")), "0 gives a backend no new sessions")
}

func judgeWeight(args []string) error {
	_, err := weightOf(args)
	return err
}

func judgeBackend(args []string) error {
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

func judgeNote(args []string) error {
	if err := proxy.ValidateNote("text", strings.Join(args, " ")); err != nil {
		return AsError(err)
	}
	if strings.TrimSpace(strings.Join(args, " ")) == "" {
		return Wrong("mark needs a text", "like: tcpctl mark kernel patch begins")
	}
	return nil
}
