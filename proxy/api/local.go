package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Local is the Source of an engine in the same process. The control socket
// serves one of these, so there is one place where requests are judged.
type Local struct {
	Engine *proxy.Engine
	Node   Node
	// Stop is called by the act "stop"; nil refuses it.
	Stop func(grace time.Duration, by, reason string)
	// Reload is what the act "reload" does; it says what changed. nil refuses it.
	Reload func(by string) ([]string, error)
	// Upgrade is what the act "upgrade" does; it says what comes. nil refuses it.
	Upgrade func(by string) (string, error)
	// Save keeps over a restart what r has done to one backend, which is
	// "service/backend"; nil refuses --save.
	Save func(backend string, r *Request) error
	// Text is the configuration as it was read; nil: there is none.
	Text func() ConfigText
	// Mesh tells of the other nodes; nil: there is no mesh.
	Mesh func() *Mesh
	// Peers reaches other nodes; nil: there is no mesh.
	Peers func(node string) Planner
	// Begin is asked before each act whether it may be now, and given back what
	// it has returned after it; nil: always.
	Begin func(r *Request) (end func(), err error)
	// Refresh is called before a status is made, so that the engine knows what
	// its predecessors have by now; nil: there are none.
	Refresh func(context.Context)
	// Shown is called when a status has been made, before anybody sees it; nil:
	// nobody wants to know.
	Shown func()
	// Predecessors are the earlier processes of the instance that still serve
	// clients, the oldest first; nil: there are none.
	Predecessors func() []Predecessor
	// By is who acts when a request does not say: the user at the console.
	By string

	hash atomic.Pointer[string]
}

// ConfigText is a configuration file that an instance runs.
type ConfigText struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Configured is a Source that can tell which configuration it runs.
type Configured interface {
	Config(ctx context.Context) (ConfigText, error)
}

// Config is the configuration that the engine runs.
func (l *Local) Config(context.Context) (ConfigText, error) {
	if l.Text == nil {
		return ConfigText{}, Refused("this instance runs without a configuration file", "start one with tcpctl run -c FILE")
	}
	return l.Text(), nil
}

// Peer is another node as a Source.
func (l *Local) Peer(node string) Planner {
	if l.Peers == nil {
		return nil
	}
	return l.Peers(node)
}

// SetConfigHash changes what the status tells of the configuration.
func (l *Local) SetConfigHash(hash string) { l.hash.Store(&hash) }

var _ Source = (*Local)(nil)

func (l *Local) Status(ctx context.Context) (*Status, error) {
	if l.Refresh != nil {
		l.Refresh(ctx)
	}
	s := &Status{Node: l.Node, Services: l.Engine.Services()}
	s.Node.PID = os.Getpid()
	s.Node.Now = time.Now()
	if hash := l.hash.Load(); hash != nil {
		s.Node.ConfigHash = *hash
	}
	if l.Mesh != nil {
		s.Mesh = l.Mesh()
	}
	for _, p := range l.predecessors() {
		s.Predecessors = append(s.Predecessors, p.info(l.Engine))
	}
	if p := l.Engine.Plan(""); p != nil {
		report := p.Report()
		if report.Ended.IsZero() || time.Since(report.Ended) < planShown {
			s.Plan = report.Info()
		}
	}
	if l.Shown != nil {
		l.Shown()
	}
	return s, nil
}

// planShown is how long a plan that has ended is part of the status.
const planShown = 5 * time.Minute

func (l *Local) Queue(ctx context.Context, service string) ([]proxy.WaiterInfo, error) {
	s, err := FindService(l.Engine, service)
	if err != nil {
		return nil, err
	}
	all := append([]proxy.WaiterInfo{}, append(l.earlierQueue(ctx, service), s.Waiters()...)...)
	for i := range all {
		all[i].Position = i + 1
	}
	return all, nil
}

func (l *Local) Sessions(ctx context.Context, q SessionQuery) ([]proxy.SessionInfo, error) {
	keep, err := q.filter(l.Engine)
	if err != nil {
		return nil, err
	}
	all := []proxy.SessionInfo{}
	add := func(from iter.Seq[proxy.SessionInfo]) {
		for s := range from {
			if q.Limit > 0 && len(all) == q.Limit {
				return
			}
			if keep(&s) {
				all = append(all, s)
			}
		}
	}
	add(l.live(ctx, q))
	if q.Ended {
		add(l.Engine.Ended())
	}
	return all, nil
}

func (l *Local) Events(ctx context.Context, since uint64, wait bool) (proxy.EventPage, error) {
	page, more := l.Engine.Events(since)
	if !wait || len(page.Events) > 0 {
		return page, nil
	}
	select {
	case <-more:
		page, _ = l.Engine.Events(since)
	case <-ctx.Done():
	}
	return page, nil
}

// Do judges a request and carries it out on each of its targets in turn. It
// stops at the first that is refused, and says which were done before.
func (l *Local) Do(ctx context.Context, r Request) (Result, error) {
	if r.By == "" {
		r.By = l.By
	}
	a := Lookup(r.Act)
	if a == nil {
		return Result{}, Unknown(fmt.Sprintf("there is no act %q", r.Act), "try one of: "+strings.Join(actNames(), ", "))
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
		return a.apply(l, status, a, r) // which sessions, only a look at the live ones tells
	}
	if a.Name == "probe" {
		r.Targets = status.backendsOf(r.Targets)
	}
	for _, target := range r.Targets {
		if err := l.exists(a, target); err != nil {
			return Result{}, err
		}
		if r.Expect != "" && r.Expect != Stamp(status, a, target) {
			return Result{}, Refused(target+" was changed by somebody since", "look at it again, then act")
		}
	}
	if r.Save && l.Save == nil {
		return Result{}, Refused("there is nowhere to save it: this instance runs without a configuration file", "use tcpctl run -c FILE")
	}
	impact := a.Impact(status, &r)
	if r.DryRun {
		return Result{Texts: []string{"nothing was done"}, Impact: impact}, nil
	}
	for _, i := range impact {
		if i.Warning != "" && !r.Force {
			return Result{}, Refused(fmt.Sprintf("%s: %s", strings.TrimSpace(a.Name+" "+i.Target), i.Warning), "use --force to do it all the same")
		}
	}
	return a.apply(l, status, a, r)
}

// each does it to one target of a request after the other.
func each(do func(*proxy.Engine, string, *Request) (string, error)) func(*Local, *Status, *Act, Request) (Result, error) {
	return func(l *Local, before *Status, a *Act, r Request) (Result, error) { return l.toEach(do, before, a, r) }
}

func (l *Local) toEach(do func(*proxy.Engine, string, *Request) (string, error), before *Status, a *Act, r Request) (Result, error) {
	var res Result
	changed := false
	for _, target := range r.Targets {
		one := r
		one.Targets = []string{target}
		text, err := do(l.Engine, target, &one)
		if errors.Is(err, proxy.ErrAlready) { // rule 12a: its goal is reached, and may be saved
			text, err = strings.TrimPrefix(err.Error(), "proxy: "), nil
		} else {
			changed = true
		}
		if err != nil {
			return res, doneBefore(refusal(before, a, target, err), res.Texts)
		}
		service, backend := "", ""
		if a.On == OnService || a.On == OnBackend {
			service, backend = SplitTarget(target)
		}
		l.Engine.Note(proxy.Event{Kind: proxy.EventOperator, Service: service, Backend: backend, By: r.By,
			Text: text, Command: one.CommandLine()})
		res.Texts = append(res.Texts, text)
		if s := l.Engine.Service(service); a.Plan && s != nil {
			res.Plan = s.Plan().Report().ID
		}
		if !r.Save {
			continue
		}
		if err := l.Save(savedAs(a, target, &one), &one); err != nil {
			return res, doneBefore(Refused(fmt.Sprintf("%s %s is done, but could not be saved: %v", a.Name, target, err),
				"without that it lasts until the next start"), res.Texts[:len(res.Texts)-1])
		}
	}
	if r.Save {
		res.Texts = append(res.Texts, "saved")
	}
	if changed {
		res.Undo = l.undo(before, a, r)
	}
	return res, nil
}

// doneBefore adds to a refusal what was done until then.
func doneBefore(e *Error, texts []string) *Error {
	if len(texts) == 0 {
		return e
	}
	more := *e
	more.Text += " (done before that: " + strings.Join(texts, "; ") + ")"
	return &more
}

// savedAs is the backend that an act is about.
func savedAs(a *Act, target string, r *Request) string {
	if a.On == OnBackend {
		return target
	}
	c, _ := proxy.ParseBackend(r.Args[0]) // which add has taken
	return target + "/" + cmp.Or(c.Name, c.Addr)
}

// undo is the request that takes r back, as long as nobody changes its target.
func (l *Local) undo(before *Status, a *Act, r Request) *Request {
	if a.Undo == "" || len(r.Targets) != 1 {
		return nil
	}
	after, err := l.Status(context.Background())
	if err != nil {
		return nil
	}
	u := &Request{Act: a.Undo, Targets: r.Targets, Options: Options{Reason: "undo " + a.Name, Save: r.Save}}
	switch a.Name {
	case "weight":
		u.Args = []string{fmt.Sprint(before.Backend(r.Targets[0]).Weight)}
		u.Force = true // it was so before
	case "drain", "maint":
		if admin := before.Backend(r.Targets[0]).Admin; admin != proxy.AdminReady {
			u.Act = admin // from drain to maint, or back
			if admin == proxy.AdminDrain {
				u.Act = "drain"
			}
			u.Force = true
		}
	}
	u.Expect = Stamp(after, a, r.Targets[0])
	return u
}

func (l *Local) kick(_ *Status, _ *Act, r Request) (Result, error) {
	q := SessionQuery{Service: r.Service, Backend: r.Backend, Client: r.Client}
	keep, err := q.filter(l.Engine)
	if err != nil {
		return Result{}, err
	}
	var ids []string
	at := map[int][]string{} // by process; 0 is this one
	for info := range l.live(context.Background(), q) {
		named := slices.Contains(r.Targets, info.ID)
		if !named && (len(r.Targets) > 0 || !keep(&info)) {
			continue
		}
		ids = append(ids, info.ID)
		at[info.PID] = append(at[info.PID], info.ID)
	}
	var over []string
	for _, id := range r.Targets {
		switch {
		case slices.Contains(ids, id):
		case l.Engine.Existed(id):
			over = append(over, id+": already ended")
		default:
			return Result{}, Unknown("there is no session "+id, "tcpctl sessions lists those that live")
		}
	}
	pace := ""
	if r.Rate > 0 {
		pace = fmt.Sprintf(", %g a second", r.Rate)
	}
	if r.DryRun {
		return Result{Texts: []string{"nothing was done"},
			Impact: []Impact{{Target: strings.Join(ids, " "), Lines: []string{text.Plural(len(ids), "client") + " would see a reset" + pace}, Cut: len(ids)}}}, nil
	}
	if len(ids) == 0 && len(over) > 0 {
		return Result{Texts: over}, nil
	}
	kicked := 0
	for pid, these := range at {
		one := r
		one.Targets, one.Rate = these, r.Rate*float64(len(these))/float64(len(ids))
		n, err := l.kickAt(pid, one)
		if err != nil {
			return Result{}, err
		}
		kicked += n
	}
	did := "kicked " + text.Plural(kicked, "session")
	if r.Rate > 0 && len(ids) > 1 {
		did = "kicking " + text.Plural(len(ids), "session") + pace
	}
	l.Engine.Note(proxy.Event{Kind: proxy.EventOperator, Service: r.Service, By: r.By, Text: did, Command: r.CommandLine()})
	return Result{Texts: append([]string{did}, over...)}, nil
}

// kickAt kicks sessions that one process has, and says how many it found.
func (l *Local) kickAt(pid int, r Request) (int, error) {
	switch {
	case pid != 0:
		return l.kickEarlier(pid, r), nil
	case r.Rate > 0 && len(r.Targets) > 1:
		return 0, l.Engine.KickSlowly(r.By, r.Reason, r.Rate, r.Targets...)
	}
	return l.Engine.Kick(r.By, r.Reason, r.Targets...), nil
}

func (l *Local) reload(_ *Status, _ *Act, r Request) (Result, error) {
	if l.Reload == nil {
		return Result{}, Refused("this instance runs without a configuration file", "start one with tcpctl run -c FILE")
	}
	changes, err := l.Reload(r.By)
	if err != nil {
		l.Engine.Note(proxy.Event{Kind: proxy.EventOperator, Level: proxy.LevelWarn, By: r.By, Command: r.CommandLine(),
			Text: "reload refused: " + strings.ReplaceAll(err.Error(), "\n", " / ")})
		wrong := Refused(err.Error(), "the old configuration is in force")
		var bad *Error
		if errors.As(err, &bad) {
			wrong.Status = bad.Status
		}
		return Result{}, wrong
	}
	if len(changes) == 0 {
		changes = []string{"nothing has changed"}
	}
	l.Engine.Note(proxy.Event{Kind: proxy.EventOperator, By: r.By, Text: "reload: " + someOf(changes), Command: r.CommandLine()})
	return Result{Texts: changes}, nil
}

// someOf keeps an event a sentence that can be read.
func someOf(texts []string) string {
	const most = 8
	if len(texts) <= most {
		return strings.Join(texts, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(texts[:most], "; "), len(texts)-most)
}

func (l *Local) mark(_ *Status, _ *Act, r Request) (Result, error) {
	l.Engine.Note(proxy.Event{Kind: proxy.EventMark, By: r.By, Text: strings.Join(r.Args, " ")})
	return Result{Texts: []string{"noted"}}, nil
}

func (l *Local) stop(_ *Status, _ *Act, r Request) (Result, error) {
	if l.Stop == nil {
		return Result{}, Refused("this instance cannot be stopped from here", "end its process")
	}
	l.Engine.Note(proxy.Event{Kind: proxy.EventOperator, By: r.By, Text: "stop", Command: r.CommandLine()})
	l.Stop(r.Grace, r.By, r.Reason)
	return Result{Texts: []string{"stopping"}}, nil
}

func (l *Local) upgrade(_ *Status, _ *Act, r Request) (Result, error) {
	if l.Upgrade == nil {
		return Result{}, Refused("this engine cannot be upgraded: it runs in another program", "upgrade that one")
	}
	ev := proxy.Event{Kind: proxy.EventOperator, By: r.By, Command: r.CommandLine()}
	text, err := l.Upgrade(r.By)
	if err != nil {
		ev.Level, ev.Text = proxy.LevelWarn, "upgrade refused: "+err.Error()
		l.Engine.Note(ev)
		return Result{}, AsError(err)
	}
	ev.Text = "upgrade: " + text
	l.Engine.Note(ev)
	return Result{Texts: []string{text}}, nil
}

// Check refuses a request whose words do not fit its act, whatever it is done
// to: asking an instance would be in vain.
func (a *Act) Check(r *Request) error {
	if err := cmp.Or(planOptions(r, "").Validate(), proxy.ValidateDuration("grace", r.Grace)); err != nil {
		return AsError(err)
	}
	switch {
	case r.Save && !a.Takes("save"):
		return Wrong(a.Name+" is nothing that could be saved", "usage: tcpctl "+a.Use())
	case r.Save && r.Then == proxy.ThenAbort:
		return Wrong("what is given up at its limit cannot be saved before that", "with --save, --then is cut or keep")
	case a.On == OnSession && len(r.Targets) == 0 && r.Service == "" && r.Backend == "" && r.Client == "":
		return Wrong("kick takes sessions, or --service, --backend or --client", "tcpctl sessions lists them")
	case a.On == OnSession:
		return nil
	case a.On == OnNothing && len(r.Targets) > 0:
		return Wrong(a.Name+" takes no target", "usage: tcpctl "+a.Use())
	case a.On != OnNothing && len(r.Targets) == 0:
		return Wrong(a.Name+" needs a target", "usage: tcpctl "+a.Use())
	case !a.Many && len(r.Targets) > 1:
		return Wrong(a.Name+" takes one target", "usage: tcpctl "+a.Use())
	case a.Args == "" && len(r.Args) > 0:
		return Wrong(fmt.Sprintf("%s does not take %q", a.Name, r.Args[0]), "usage: tcpctl "+a.Use())
	case a.Args != "" && a.Args[0] != '[' && len(r.Args) == 0:
		return Wrong(a.Name+" needs "+a.Args, "usage: tcpctl "+a.Use())
	}
	if a.args != nil {
		return a.args(r.Args)
	}
	return nil
}

func (l *Local) exists(a *Act, target string) (err error) {
	switch a.On {
	case OnService:
		_, err = FindService(l.Engine, target)
	case OnBackend:
		_, err = FindBackend(l.Engine, target)
	}
	return err
}

// FindService finds a service, or says which there are.
func FindService(e *proxy.Engine, name string) (*proxy.Service, error) {
	if s := e.Service(name); s != nil {
		return s, nil
	}
	return nil, Unknown(fmt.Sprintf("there is no service %q", name), "there is: "+strings.Join(e.ServiceNames(), ", "))
}

// FindBackend finds "service/backend", or says which there are.
func FindBackend(e *proxy.Engine, target string) (*proxy.Backend, error) {
	service, name := SplitTarget(target)
	s, err := FindService(e, service)
	if err != nil {
		return nil, err
	}
	if b := s.Backend(name); b != nil {
		return b, nil
	}
	var have []string
	for _, b := range s.Info().Backends {
		have = append(have, service+"/"+b.Name)
	}
	return nil, Unknown(fmt.Sprintf("there is no backend %q", target), "there is: "+strings.Join(have, ", "))
}

// filter makes a test of the query, refusing what names nothing.
func (q SessionQuery) filter(e *proxy.Engine) (func(*proxy.SessionInfo) bool, error) {
	var prefix netip.Prefix
	if q.Client != "" {
		p, err := netip.ParsePrefix(q.Client)
		if err != nil {
			a, aerr := netip.ParseAddr(q.Client)
			if aerr != nil {
				return nil, Wrong(fmt.Sprintf("client %q is neither an address nor a CIDR", q.Client), "like 10.2.0.9 or 10.0.0.0/8")
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		prefix = p.Masked()
	}
	if q.Service != "" {
		if _, err := FindService(e, q.Service); err != nil {
			return nil, err
		}
	}
	if q.Backend != "" && !hasBackend(e, q.Service, q.Backend) {
		return nil, Unknown(fmt.Sprintf("there is no backend %q", q.Backend), "tcpctl status lists them")
	}
	return func(s *proxy.SessionInfo) bool {
		if q.Service != "" && s.Service != q.Service || q.Backend != "" && s.Backend != q.Backend {
			return false
		}
		if s.AgeSeconds < q.OlderThan.Seconds() {
			return false
		}
		if prefix.IsValid() {
			ap, err := netip.ParseAddrPort(s.Client)
			return err == nil && prefix.Contains(ap.Addr().Unmap())
		}
		return true
	}, nil
}

// hasBackend says whether the service, or any where none is named, has one of
// that name.
func hasBackend(e *proxy.Engine, service, name string) bool {
	for _, s := range e.Services() {
		if service == "" || s.Name == service {
			if slices.ContainsFunc(s.Backends, func(b proxy.BackendInfo) bool { return b.Name == name }) {
				return true
			}
		}
	}
	return false
}

func actNames() []string {
	var names []string
	for _, a := range Acts {
		names = append(names, a.Name)
	}
	return names
}
