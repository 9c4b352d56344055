package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// Do validates a request and performs it on each of its targets in turn. It stops
// at the first refusal, and says which targets were done before.
func (l *Local) Do(ctx context.Context, r Request) (Result, error) {
	r.By = cmp.Or(r.By, l.By)
	a, err := findAct(r.Act)
	if err != nil {
		return Result{}, err
	}
	if err := a.Check(&r); err != nil {
		return Result{}, err
	}
	if l.Begin != nil {
		end, err := l.Begin(&r)
		if err != nil {
			return Result{}, AsError(err)
		}
		defer end()
	}
	status, err := l.Status(ctx)
	if err != nil {
		return Result{}, err
	}
	if a.On == OnSession {
		return a.apply(l, status, a, r) // only the live sessions show which sessions are meant
	}
	if a.Name == "probe" {
		r.Targets = status.backendsOf(r.Targets)
	}
	if err := l.checkTargets(status, a, &r); err != nil {
		return Result{}, err
	}
	if r.Save && l.Save == nil {
		return Result{}, Refused("--save needs a configuration file, and this instance runs without one", "leave out --save, or start the instance with tcpctl run -c FILE")
	}
	impact := a.Impact(status, &r)
	if r.DryRun {
		l.addNodes(ctx, status, a.Name, &r, impact)
		return Result{Texts: []string{"nothing was done"}, Impact: impact}, nil
	}
	for _, i := range impact {
		if i.Warning != "" && !r.Force {
			return Result{}, Refused(fmt.Sprintf("%s: %s", strings.TrimSpace(a.Name+" "+i.Target), i.Warning), "use --force to do it anyway")
		}
	}
	return a.apply(l, status, a, r)
}

// each applies do to the targets of a request, one after the other.
func each(do func(*proxy.Engine, string, *Request) (string, error)) func(*Local, *Status, *Act, Request) (Result, error) {
	return func(l *Local, before *Status, a *Act, r Request) (Result, error) { return l.toEach(do, before, a, r) }
}

func (l *Local) toEach(do func(*proxy.Engine, string, *Request) (string, error), before *Status, a *Act, r Request) (Result, error) {
	var res Result
	changed := false
	for _, target := range r.Targets {
		one := r
		one.Targets = []string{target}
		text, across, err := l.toOne(do, before, a, target, &one)
		if errors.Is(err, proxy.ErrAlready) { // rule 12a: its goal is already reached, and may be saved
			text, err = strings.TrimPrefix(err.Error(), "proxy: "), nil
		} else {
			changed = true
		}
		if err != nil {
			return res, doneBefore(refusal(before, a, target, err), res.Texts)
		}
		l.noteAct(a, target, &one, text)
		service, _ := SplitTarget(target)
		if s := l.Engine.Service(service); a.Plan && s != nil {
			res.Plan = s.Plan().Report().ID
		}
		if r.Save && !across { // with across all nodes remember it anyway
			if err := l.Save(savedAs(a, target, &one), &one); err != nil {
				return res, doneBefore(Refused(fmt.Sprintf("%s %s is done, but could not be saved: %v", a.Name, target, err),
					"it lasts until the next start; repeat it with --save"), res.Texts)
			}
		}
		res.Texts = append(res.Texts, text)
	}
	if r.Save {
		res.Texts = append(res.Texts, "saved")
	}
	if changed {
		res.Undo = l.undo(before, a, r)
	}
	return res, nil
}

// toOne applies an act to one target, on all nodes or here.
func (l *Local) toOne(do func(*proxy.Engine, string, *Request) (string, error), before *Status, a *Act, target string, r *Request) (text string, across bool, err error) {
	abandon := func() error { return nil }
	switch {
	case !l.across(before, a, target, r):
	case a.Plan:
		if abandon, err = l.planAcross(context.Background(), before, a.Name, target, r); err != nil {
			return "", true, err
		}
	default:
		if text, err = l.doAcross(before, a, target, *r); !errors.Is(err, ErrHere) {
			return text, true, err
		}
	}
	if text, err = do(l.Engine, target, r); err != nil {
		return "", false, errors.Join(err, abandon())
	}
	return text, false, nil
}

// noteAct records an act on one target in the event log.
func (l *Local) noteAct(a *Act, target string, r *Request, text string) {
	ev := proxy.Event{Kind: proxy.EventOperator, By: r.By, Text: text, Command: r.CommandLine()}
	if a.On == OnService || a.On == OnBackend {
		ev.Service, ev.Backend = SplitTarget(target)
	}
	l.Engine.Operator().Note(ev)
}

// doneBefore adds to a refusal what was done before.
func doneBefore(e *Error, texts []string) *Error {
	if len(texts) == 0 {
		return e
	}
	more := *e
	more.Text += " (done before that: " + strings.Join(texts, "; ") + ")"
	return &more
}

// savedAs returns the backend of an act.
func savedAs(a *Act, target string, r *Request) string {
	if a.On == OnBackend {
		return target
	}
	c, _ := proxy.ParseBackend(r.Args[0]) // add has already accepted it
	return target + "/" + cmp.Or(c.Name, c.Addr)
}

// checkTargets looks up each target, and checks its state if r expects one.
func (l *Local) checkTargets(s *Status, a *Act, r *Request) error {
	for _, target := range r.Targets {
		var err error
		switch a.On {
		case OnService:
			_, err = FindService(l.Engine, target)
		case OnBackend:
			_, err = FindBackend(l.Engine, target)
		}
		switch {
		case err != nil:
			return err
		case r.Expect != "" && r.Expect != Stamp(s, a, target):
			return Refused(target+" has changed since it was shown", "tcpctl status shows it as it is now; then repeat the act")
		}
	}
	return nil
}
