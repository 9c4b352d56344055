package api

import (
	"context"
	"iter"
	"os"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Local is the Source of an engine in the same process. The control socket
// serves one of these, so there is one place that validates requests.
type Local struct {
	Engine *proxy.Engine
	Node   Node
	// Stop is called by the act "stop"; nil refuses it.
	Stop func(grace time.Duration, by, reason string)
	// Grace is how long a stop lasts that does not say otherwise; nil: not known.
	Grace func() time.Duration
	// Reload is what the act "reload" does; it says what changed. nil refuses it.
	Reload func(by string) ([]string, error)
	// Reloads is how they went; nil: not known.
	Reloads func() *ReloadInfo
	// Upgrade is what the act "upgrade" does; it says what follows. nil refuses it.
	Upgrade func(by string) (string, error)
	// Save keeps over a restart what r has done to one backend, which is
	// "service/backend"; nil refuses --save.
	Save func(backend string, r *Request) error
	// Text is the configuration as it was read; nil: there is none.
	Text func() ConfigText
	// Mesh is the other nodes; nil: there is no mesh.
	Mesh func() *Mesh
	// Peers reaches other nodes; nil: there is no mesh.
	Peers func(node string) Planner
	// Cluster is the cluster, and ClusterDo does the act "cluster"; nil: there is none.
	Cluster   func() *Cluster
	ClusterDo func(ctx context.Context, r Request) (string, error)
	// Process is how the cluster names this process, and Places are those of a service's
	// clients, nil where this node does not vote; nil: there is no cluster.
	Process func() string
	Places  func(ctx context.Context, service string) (*Places, error)
	// Across carries acts out on services of scope cluster; nil: there is none.
	Across Across
	// Begin is asked before each act whether it may be now, and given back what
	// it has returned after it; nil: always.
	Begin func(r *Request) (end func(), err error)
	// Refresh is called before a status is made, so that the engine knows what
	// its predecessors have by now; nil: there are none.
	Refresh func(context.Context)
	// Shown, if set, is called when a status has been made, before it is returned.
	Shown func()
	// History is what the instance remembers; nil: nothing.
	History History
	// Certificates are those that clients are given now; nil: there are none.
	Certificates func() []CertificateInfo
	// Predecessors are the earlier processes of the instance that still serve
	// clients, the oldest first; nil: there are none.
	Predecessors func() []Predecessor
	// By is the operator of a request that names none: the user at the console.
	By string

	hash atomic.Pointer[string]
}

// ConfigText is a configuration file that an instance runs.
type ConfigText struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Configured is a Source that knows which configuration it runs.
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

// SetConfigHash changes the configuration hash in the status.
func (l *Local) SetConfigHash(hash string) { l.hash.Store(&hash) }

var _ Source = (*Local)(nil)

func (l *Local) Status(ctx context.Context) (*Status, error) {
	if l.Refresh != nil {
		l.Refresh(ctx)
	}
	s := &Status{Node: l.Node, Services: l.Engine.Operator().Services()}
	s.Node.PID = os.Getpid()
	s.Node.Now = time.Now()
	if hash := l.hash.Load(); hash != nil {
		s.Node.ConfigHash = *hash
	}
	if l.Reloads != nil {
		s.Node.Reload = l.Reloads()
	}
	if l.Grace != nil {
		s.Node.GraceSeconds = l.Grace().Seconds()
	}
	if l.Mesh != nil {
		s.Mesh = l.Mesh()
	}
	if l.Cluster != nil {
		s.Cluster = l.Cluster()
		if l.Across != nil {
			s.Cluster.Plans, s.Cluster.Drains = l.Across.Plans(), l.Across.Drains()
		}
	}
	if l.Certificates != nil {
		s.Certificates = l.Certificates()
	}
	for _, p := range l.predecessors() {
		s.Predecessors = append(s.Predecessors, p.info(l.Engine))
	}
	if l.History != nil {
		info, _ := l.History.Remembered(ctx)
		s.History = &info
	}
	if p := l.Engine.Operator().Plan(""); p != nil {
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

// Waiters is the head of Queue: so many at most. It costs the data path no more
// than that.
func (l *Local) Waiters(ctx context.Context, service string, most int) ([]proxy.WaiterInfo, error) {
	all := append(l.earlierQueue(ctx, service), l.Engine.Operator().Waiters(service, most)...)
	all = all[:min(len(all), most)]
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
	add(l.Live(ctx, q))
	if q.Ended {
		add(l.Engine.Operator().Ended())
	}
	return all, nil
}

func (l *Local) Events(ctx context.Context, since uint64, wait bool) (proxy.EventPage, error) {
	page, more := l.Engine.Operator().Events(since)
	if !wait || len(page.Events) > 0 {
		return page, nil
	}
	select {
	case <-more:
		page, _ = l.Engine.Operator().Events(since)
	case <-ctx.Done():
	}
	return page, nil
}
