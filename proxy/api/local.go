package api

import (
	"context"
	"iter"
	"os"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Local is the Source of an engine in the same process. The control socket serves
// a Local, so that requests are validated in one place.
type Local struct {
	Engine *proxy.Engine
	Node   Node
	// Stop is called by the act "stop"; nil refuses it.
	Stop func(grace time.Duration, by, reason string)
	// Grace returns the default grace period of a stop; nil: not known.
	Grace func() time.Duration
	// Reload performs the act "reload" and returns what changed; nil refuses it.
	Reload func(by string) ([]string, error)
	// Reloads returns the outcome of reloads; nil: not known.
	Reloads func() *ReloadInfo
	// Upgrade performs the act "upgrade" and returns what follows; nil refuses it.
	Upgrade func(by string) (string, error)
	// Save makes what r did to one backend, "service/backend", survive a restart; nil
	// refuses --save.
	Save func(backend string, r *Request) error
	// Text returns the configuration as it was read; nil: there is none.
	Text func() ConfigText
	// Mesh returns the mesh; nil: there is none.
	Mesh func() *Mesh
	// Peers returns another node as a Planner; nil: there is no mesh.
	Peers func(node string) Planner
	// Cluster returns the cluster, and ClusterDo performs the act "cluster"; nil: there
	// is no cluster.
	Cluster   func() *Cluster
	ClusterDo func(ctx context.Context, r Request) (string, error)
	// Process returns the name of this process in the cluster, and Places the places of
	// a service's clients, or nil if this node does not vote; nil: there is no cluster.
	Process func() string
	Places  func(ctx context.Context, service string) (*Places, error)
	// Across performs acts on services of scope cluster; nil: there are none.
	Across Across
	// Begin is called before each act, and its result end after the act; an error
	// refuses the act. nil: acts are always allowed.
	Begin func(r *Request) (end func(), err error)
	// Refresh is called before a status is made, to update what the engine knows of its
	// predecessors; nil: there are none.
	Refresh func(context.Context)
	// Shown, if set, is called when a status has been made, before it is returned.
	Shown func()
	// History is the history of the instance; nil: there is none.
	History History
	// Certificates returns the certificates that clients get now; nil: there are none.
	Certificates func() []CertificateInfo
	// Predecessors returns the earlier processes of the instance that still serve
	// clients, oldest first; nil: there are none.
	Predecessors func() []Predecessor
	// By is the operator of requests that name none: the user at the console.
	By string

	hash atomic.Pointer[string]
}

// ConfigText is the configuration file of an instance.
type ConfigText struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// Configured is a Source that can return its configuration.
type Configured interface {
	Config(ctx context.Context) (ConfigText, error)
}

// Config returns the configuration that the engine runs.
func (l *Local) Config(context.Context) (ConfigText, error) {
	if l.Text == nil {
		return ConfigText{}, Refused("this instance runs without a configuration file", "start one with tcpctl run -c FILE")
	}
	return l.Text(), nil
}

// Peer returns another node as a Source.
func (l *Local) Peer(node string) Planner {
	if l.Peers == nil {
		return nil
	}
	return l.Peers(node)
}

// SetConfigHash sets the configuration hash in the status.
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

// planShown is how long a finished plan stays in the status.
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

// Waiters returns at most the given number of clients from the head of the queue.
// It delays the data path no longer than that takes.
func (l *Local) Waiters(ctx context.Context, service string, most int) ([]proxy.WaiterInfo, error) {
	all := append(l.earlierQueue(ctx, service), l.Engine.Operator().Waiters(service, most)...)
	all = all[:min(len(all), max(most, 0))]
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
