package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/proxy"
)

// Planner is a Source with plans: restarts, windows and rolls.
type Planner interface {
	Source
	// Reports returns the reports of the plans that are kept, newest first.
	Reports(ctx context.Context) ([]proxy.Report, error)
	// Report returns the progress or outcome of a plan; "": the newest.
	Report(ctx context.Context, id string) (proxy.Report, error)
	// Window makes a call of the owner of a window.
	Window(ctx context.Context, w WindowCall) (WindowAnswer, error)
}

// WindowCall is a call of a window's owner. The first has a Service and begins the
// window; later ones have ID and Token, and report that the owner is alive (PID is
// its command's) or that the command has ended.
type WindowCall struct {
	Service string `json:"service,omitempty"`
	Options
	ID     string `json:"id,omitempty"`
	Token  string `json:"token,omitempty"`
	PID    int    `json:"pid,omitempty"`
	Ended  bool   `json:"ended,omitempty"`
	Failed string `json:"failed,omitempty"` // how the command failed; "": it succeeded
	// By is the operator. The server sets it, whatever the client sent.
	By string `json:"-"`
}

// WindowParams are the options of a window.
var WindowParams = []Param{paramLimit, paramThen, paramQuiet, paramMax, paramRate, paramReason, paramForce, paramHere, paramDryRun}

// WindowAnswer is the answer to a WindowCall: the report of the window, and for a
// new window the token for later calls.
type WindowAnswer struct {
	Token  string       `json:"token,omitempty"`
	Report proxy.Report `json:"report"`
	Impact []Impact     `json:"impact,omitempty"` // only for a dry run, which sets nothing else
}

var _ Planner = (*Local)(nil)

func (l *Local) Reports(context.Context) ([]proxy.Report, error) {
	return l.Engine.Operator().Reports(), nil
}

func (l *Local) Report(_ context.Context, id string) (proxy.Report, error) {
	if p := l.Engine.Operator().Plan(id); p != nil {
		return p.Report(), nil
	}
	for _, r := range l.Engine.Operator().Reports() { // of earlier processes
		if id == "" || r.ID == id {
			return r, nil
		}
	}
	return proxy.Report{}, l.noReport(id)
}

// plan returns a plan of this process.
func (l *Local) plan(id string) (*proxy.Plan, error) {
	if p := l.Engine.Operator().Plan(id); p != nil {
		return p, nil
	}
	return nil, l.noReport(id)
}

func (l *Local) noReport(id string) *Error {
	var ids []string
	for _, r := range l.Engine.Operator().Reports() {
		ids = append(ids, r.ID)
	}
	if len(ids) == 0 {
		return Unknown("there has been no restart, window or roll", "tcpctl restart, window and roll --help say what each does")
	}
	return unknownOf(fmt.Sprintf("there is no report %q", id), ids)
}

func (l *Local) Window(ctx context.Context, w WindowCall) (WindowAnswer, error) {
	if w.ID == "" {
		return l.openWindow(ctx, w)
	}
	p, err := l.plan(w.ID)
	if err != nil {
		return WindowAnswer{}, err
	}
	switch {
	case w.Ended && w.Failed != "":
		err = p.CommandEnded(w.Token, errors.New(w.Failed))
	case w.Ended:
		err = p.CommandEnded(w.Token, nil)
	default:
		err = p.Heartbeat(w.Token, w.PID)
	}
	return WindowAnswer{Report: p.Report()}, err
}

func (l *Local) openWindow(ctx context.Context, w WindowCall) (WindowAnswer, error) {
	w.By = cmp.Or(w.By, l.By)
	s, err := FindService(l.Engine, w.Service)
	if err != nil {
		return WindowAnswer{}, err
	}
	r := Request{Act: "window", Targets: []string{w.Service}, Options: w.Options}
	if err := (&Act{Name: "window", On: OnService, Params: WindowParams}).Check(&r); err != nil {
		return WindowAnswer{}, err
	}
	st, err := l.Status(ctx)
	if err != nil {
		return WindowAnswer{}, err
	}
	i := impactOfPause(st, w.Service, &r)
	if i.Target = w.Service; w.DryRun {
		all := []Impact{i}
		l.addNodes(ctx, st, "window", &r, all)
		return WindowAnswer{Impact: all}, nil
	}
	if i.Warning != "" && !w.Force {
		return WindowAnswer{}, Refused(fmt.Sprintf("window %s: %s", w.Service, i.Warning), "use --force to do it anyway")
	}
	r.By = w.By
	p, err := l.startWindow(ctx, st, s, &r)
	if err != nil {
		return WindowAnswer{}, refusal(st, Lookup("pause"), w.Service, err)
	}
	l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, Service: w.Service, By: w.By, Text: "window " + w.Service, Command: r.CommandLine()})
	return WindowAnswer{Token: p.Token(), Report: p.Report()}, nil
}

// startWindow begins a window, on all nodes that have the service if its scope is cluster.
func (l *Local) startWindow(ctx context.Context, st *Status, s *proxy.Service, r *Request) (*proxy.Plan, error) {
	if !st.OfAll(s.Name()) || r.Here || l.Across == nil {
		return s.StartWindow(planOptions(r))
	}
	if err := planOptions(r).Validate(); err != nil {
		return nil, err
	}
	abandon, err := l.planAcross(ctx, st, "window", s.Name(), r)
	if err != nil {
		return nil, err
	}
	p, err := s.StartWindow(planOptions(r))
	if err != nil {
		return nil, errors.Join(err, abandon())
	}
	return p, nil
}

func planOptions(r *Request) proxy.PlanOptions {
	return proxy.PlanOptions{Limit: r.Limit, Then: r.Then, Max: r.Max, Quiet: r.Quiet, Rate: r.Rate, By: r.By, Reason: r.Reason,
		MinUp: r.MinUp, MaxWait: r.MaxWait, Cluster: r.Cluster}
}

// steer is the act "plan": it pauses, continues or aborts the named plan, or the newest
// one that runs.
func (l *Local) steer(_ *Status, _ *Act, r Request) (Result, error) {
	id := ""
	if len(r.Args) == 2 {
		id = r.Args[1]
	}
	p, err := l.plan(id)
	if err != nil {
		return Result{}, err
	}
	report := p.Report()
	if r.Args[0] == "abort" && !r.Force && commandRuns(report.Info()) {
		return Result{}, Refused(fmt.Sprintf("the window %s of %s: %s", report.ID, report.Owner, halfDone), "use --force to do it anyway")
	}
	held := report.State == proxy.PlanPaused
	switch {
	case r.Args[0] == "abort" && report.State == proxy.PlanAborted:
		return Result{Texts: []string{fmt.Sprintf("%s %s: already aborted", report.Kind, report.ID)}}, nil
	case !report.Ended.IsZero():
		return Result{}, Refused(fmt.Sprintf("%s %s has ended: %s", report.Kind, report.ID, report.State), "tcpctl report shows it")
	case r.Args[0] == "pause" && held:
		return Result{Texts: []string{fmt.Sprintf("%s %s: already paused", report.Kind, report.ID)}}, nil
	case r.Args[0] == "next" && !held:
		return Result{Texts: []string{fmt.Sprintf("%s %s: already running", report.Kind, report.ID)}}, nil
	}
	switch r.Args[0] {
	case "pause":
		p.Hold()
	case "next":
		p.Next()
	case "abort":
		p.Abort(r.By)
	}
	text := fmt.Sprintf("plan %s: %s %s", r.Args[0], report.Kind, report.ID)
	l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, Service: report.Service, By: r.By, Text: text, Command: r.CommandLine()})
	return Result{Texts: []string{text}}, nil
}

const (
	planArgs = "pause|next|abort [ID]"
	halfDone = "its command still runs, and clients would be admitted to a half-changed backend"
)

func validatePlanArgs(args []string) error {
	if len(args) > 2 {
		return Wrong(fmt.Sprintf("plan does not take %q", args[2]), "usage: tcpctl plan "+planArgs)
	}
	if !slices.Contains([]string{"pause", "next", "abort"}, args[0]) {
		return Wrong(fmt.Sprintf("plan does not take %q", args[0]), "use pause, next or abort")
	}
	return nil
}

// commandRuns reports whether the plan is a window whose operator's command runs.
func commandRuns(p *proxy.PlanInfo) bool {
	for _, st := range p.Steps {
		if st.State == proxy.StepRunning {
			return p.Kind == proxy.PlanWindow && st.What == "command"
		}
	}
	return false
}
