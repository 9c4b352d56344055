package proxy

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// A service of ScopeCluster exists on several engines: a pause, a window, an admin
// state or a weight holds on all of them. The function ServiceConfig.Cluster joins it
// to the others, passes on what holds by ClusterUser.Follow, and gets the progress of
// this engine from ClusterUser.Report.

// ErrNoQuorum means that no majority of the cluster's voters was reached.
var ErrNoQuorum = errors.New("proxy: no majority of the cluster's voters is reached")

// ClusterFacts is what is in force for a service on all engines.
type ClusterFacts struct {
	Pause    ClusterPause // with ID 0: not paused
	Rate     float64      // grants per second on this engine after the last pause; 0: all at once
	Backends []ClusterBackend
}

// ClusterPause is a pause of a service, or of one of its backends, on all
// engines.
type ClusterPause struct {
	ID      uint64 // increases with each pause
	Backend string // backend that gets no clients while the service is open; "": the service is paused
	// Roll identifies the roll of several consecutive pauses: what happens between two of them
	// counts for the later one; "": this pause is not part of a roll.
	Roll    string
	By      string // operator
	Reason  string
	Window  bool          // it lasts beyond Max until a ClusterFacts without it, because its command may run
	Command bool          // the command of the window runs
	Limit   time.Duration // how long live sessions may take to end, from now on; 0: as long as the pause
	Then    string        // what happens at Limit
	Max     time.Duration // longest pause, from now on
	Quiet   time.Duration // as in PauseOptions
}

// ClusterBackend is what operators set for a backend on all engines.
type ClusterBackend struct {
	Name   string
	Admin  string // AdminDrain or AdminMaint; "": ready, or not set
	Weight int    // negative: not set
	DrainOptions
}

// ClusterReport is the progress of one engine with a ClusterPause, and its effect
// on clients. Processes before an upgrade report for themselves.
type ClusterReport struct {
	Pause    uint64 // ID of the pause; 0: there was none
	Live     int    // live sessions, of the Backend if there is one
	Settled  bool   // no session is live, or the pause does not wait for them
	GivenUp  bool   // the limit passed under ThenAbort: the pause must end on all engines
	Expired  bool   // the pause ended here at Max
	Released bool   // the pause has ended, and all clients that it held were served
	Served   int64  // held clients that were served; with a Backend: all clients admitted during the pause
	Numbers  Numbers
}

// Add merges the report o of another service with the same name into r, about the
// same pause: one that a reload removed and one that replaced it.
func (r *ClusterReport) Add(o *ClusterReport) {
	r.Live, r.Served = r.Live+o.Live, r.Served+o.Served
	r.Settled, r.Released = r.Settled && o.Settled, r.Released && o.Released
	r.GivenUp, r.Expired = r.GivenUp || o.GivenUp, r.Expired || o.Expired
	r.Numbers.add(&o.Numbers)
}

// ClusterUser is the interface of a service for what joins it to other engines.
// Its methods may be called by any goroutine.
type ClusterUser struct{ service *Service }

// Service returns the name of the service.
func (u ClusterUser) Service() string { return u.service.name }

// Follow applies what is in force for the service on all engines; it may be
// repeated. No client is admitted before the first call. It returns a sentence
// for each value of the configuration that differs; the value on all engines
// wins.
func (u ClusterUser) Follow(f ClusterFacts) (differs []string) {
	u.service.queue.Update(func() { differs = u.service.cluster.followLocked(f) })
	return differs
}

// Report returns the progress of this engine with the last pause that it
// followed. more is closed at the next change, except changes of numbers.
func (u ClusterUser) Report() (r ClusterReport, more <-chan struct{}) {
	s := u.service
	var counted *tally
	more = s.changes.nextUnless(func() bool {
		r, counted = s.cluster.reportLocked()
		return false
	})
	if counted != nil {
		r.Numbers = counted.numbers()
	}
	return r, more
}

// Check requires passed checks of the backends that were up before the last
// pause, or of the pause's Backend (rule 11), and waits for them.
func (u ClusterUser) Check(ctx context.Context) (detail string, err error) {
	s := u.service
	var of []*Backend
	s.queue.View(func() {
		switch p := s.cluster.pause; {
		case p == nil:
		case p.Backend == "":
			of = p.tally.goodBeforeLocked()
		default:
			if b := s.backends.byNameLocked(p.Backend); b != nil && b.admin() != AdminMaint {
				of = append(of, b)
			}
		}
	})
	return s.checkAll(ctx, of)
}

// clusterState is a service's part in what holds on several engines. It is guarded by
// the service's queue.
type clusterState struct {
	service  *Service
	joined   io.Closer // nil: operators' acts hold only here
	known    bool      // Follow was called
	pause    *clusterPause
	backends map[string]ClusterBackend // as last followed
}

// A clusterPause is the pause that was followed last.
type clusterPause struct {
	ClusterPause
	ours    *pause  // nil: a plan of only this engine had already closed the service
	rate    float64 // of the release on this engine
	hold    *hold   // of its Backend; nil: none, or a plan of only this engine has it
	waived  bool    // see Plan
	tally   *tally
	granted int64 // grants before the pause
	over    bool  // ended on all engines
	givenUp bool
	expired bool
	final   *ClusterReport // once Released
}

// start joins the service to other engines before its first client.
func (c *clusterState) start(join func(ClusterUser) io.Closer) {
	if join == nil {
		return
	}
	c.service.queue.Do(func() { c.backends = map[string]ClusterBackend{} })
	joined := join(ClusterUser{c.service})
	c.service.queue.Do(func() { c.joined = joined })
}

func (c *clusterState) close() {
	if c.joined != nil {
		c.joined.Close()
	}
}

// holdsLocked reports whether clients wait until Follow was called.
func (c *clusterState) holdsLocked() bool { return c.joined != nil && !c.known }

// scope is for ServiceInfo.
func (c *clusterState) scope() string {
	if c.service.config().Scope == ScopeCluster {
		return ScopeCluster
	}
	return ""
}

func (c *clusterState) reportLocked() (r ClusterReport, counted *tally) {
	s, p := c.service, c.pause
	if p == nil {
		return r, nil
	}
	if p.final != nil {
		return *p.final, nil
	}
	r = ClusterReport{Pause: p.ID, GivenUp: p.givenUp, Expired: p.expired, Served: s.stats.queueCounts.Granted - p.granted}
	r.Live, r.Settled = p.liveLocked(s)
	r.Released = p.over && !s.pause.releasingLocked()
	return r, p.tally
}

// liveLocked returns how many sessions of this process the plan waits for, and whether
// the waiting is over.
func (p *clusterPause) liveLocked(s *Service) (live int, settled bool) {
	if p.Backend != "" {
		return p.liveThereLocked(s)
	}
	current := p.ours != nil && s.pause.current == p.ours
	settled = current && p.ours.settled
	if s.quiet.retired && !current {
		settled = s.active == s.bypassing && s.queue.Waiting() == 0
	}
	return s.active - s.predecessors.Active - s.bypassing, settled
}

// endReport keeps the numbers of a pause that has ended.
func (u ClusterUser) endReport(r ClusterReport) {
	s := u.service
	s.queue.Do(func() {
		if p := s.cluster.pause; p != nil && p.ID == r.Pause && p.final == nil {
			p.final = &r
			p.tally.forgetLocked()
		}
	})
}

// Finish returns the final report of the last pause, and ends counting for it. It
// does not wait for clients that the pause held and that are not served yet.
func (u ClusterUser) Finish() ClusterReport {
	r, _ := u.Report()
	u.endReport(r)
	return r
}

// checkAll waits for successful checks of all of them.
func (s *Service) checkAll(ctx context.Context, of []*Backend) (string, error) {
	if s.config().Check.Type == health.None || len(of) == 0 {
		return "not checked", nil
	}
	if err := s.backends.awaitGood(ctx, of, len(of)); err != nil {
		return "", cmp.Or(context.Cause(ctx), err)
	}
	return text.Plural(len(of), "backend") + " good", nil
}
