package tui

import (
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// stats is what the console knows about an engine: the newest answer to each query, and what it
// derives from earlier ones.
type stats struct {
	status   *api.Status
	received time.Time // our clock, when the status came
	version  uint64    // changes when there is something new to draw
	moved    time.Time // our clock, when a status last differed in more than its age
	activity activity  // of the newest status

	flows map[string]flow     // by service, and by service/backend; "" is all
	past  map[string]*history // by service; "" is all of them
	// pastBackends is by service/backend, in longer steps since there are many.
	pastBackends map[string]*history
	pastAsked    bool                    // the engine's own history was requested
	drains       map[string][]drainPoint // by service/backend, while it drains
	pending      map[string]pending      // acts that no status shows yet, by target
	recent       []*api.Status           // the statuses of the last few seconds
	journal      journal

	fleet    fleet      // only for the console's own engine: all nodes
	leader   leaderView // likewise
	waiters  waiters
	line     line // of all nodes
	sessions sessions
	report   proxy.Report // of the last plan
	ran      string       // the last plan that was seen running
}

// pending is a requested act that no status shows yet.
type pending struct {
	act  string
	done bool      // the engine has answered
	at   time.Time // our clock, when it did
}

func newStats() *stats {
	return &stats{
		status: &api.Status{}, flows: map[string]flow{}, past: map[string]*history{}, pastBackends: map[string]*history{},
		drains: map[string][]drainPoint{}, pending: map[string]pending{},
	}
}

// now returns the engine's clock. It stops while the engine is silent: growing ages would claim
// knowledge that we do not have.
func (s *stats) now() time.Time { return s.status.Node.Now }

// known reports whether a status has been received.
func (s *stats) known() bool { return !s.received.IsZero() }

// take makes status the newest one. begun is our clock when it was requested. It reports whether
// the engine has restarted since the one before.
func (s *stats) take(status *api.Status, begun, at time.Time) (restarted bool) {
	old := s.status
	restarted = s.known() && (!status.Node.Started.Equal(old.Node.Started) || status.Node.PID != old.Node.PID)
	if restarted {
		s.recent, s.drains = nil, map[string][]drainPoint{}
		s.past, s.pastBackends, s.pastAsked = map[string]*history{}, map[string]*history{}, false
	}
	if restarted || !s.known() || !sameDrawn(old, status) {
		s.version++
	}
	for target, p := range s.pending {
		if p.done && begun.After(p.at) {
			delete(s.pending, target)
			s.version++
		}
	}
	s.status, s.received = status, at
	if now := activityOf(status); now != s.activity {
		s.activity, s.moved = now, at
	}
	if plan := status.Plan; plan != nil && !hasEnded(plan) {
		s.ran = plan.ID
	}
	s.updateFlows()
	s.updateHistory()
	s.updateDrains()
	return restarted
}

// sameDrawn reports whether two statuses look the same. Ages are shown in seconds.
func sameDrawn(a, b *api.Status) bool {
	if a.Node.Now.Unix() != b.Node.Now.Unix() {
		return false
	}
	older, newer := *a, *b
	newer.Node.Now = older.Node.Now
	older.Mesh, newer.Mesh = withoutHeartbeats(a.Mesh), withoutHeartbeats(b.Mesh)
	older.Cluster, newer.Cluster = withoutRenewals(a.Cluster), withoutRenewals(b.Cluster)
	older.Services, newer.Services = withoutLeases(a.Services), withoutLeases(b.Services)
	return reflect.DeepEqual(&older, &newer)
}

// withoutHeartbeats returns a mesh without what changes with every heartbeat: that is drawn once a
// second.
func withoutHeartbeats(m *api.Mesh) *api.Mesh {
	if m == nil {
		return nil
	}
	c := *m
	c.Peers = slices.Clone(m.Peers)
	for i := range c.Peers {
		p := &c.Peers[i]
		p.Seen, p.RTTSeconds, p.SkewSeconds = time.Time{}, 0, 0
	}
	return &c
}

// withoutRenewals returns a cluster without what changes with every renewal of a lease, likewise.
func withoutRenewals(c *api.Cluster) *api.Cluster {
	if c == nil {
		return nil
	}
	d := *c
	d.Applied, d.Leases, d.LeaseSeconds = 0, nil, math.Ceil(min(c.LeaseSeconds, 1))
	d.Voters = slices.Clone(c.Voters)
	for i := range d.Voters {
		d.Voters[i].Entry = 0
	}
	return &d
}

// withoutLeases does the same for services with locks of a cluster.
func withoutLeases(all []proxy.ServiceInfo) []proxy.ServiceInfo {
	if !slices.ContainsFunc(all, func(s proxy.ServiceInfo) bool { return s.Lock != nil && s.Lock.LeaseSeconds > 0 }) {
		return all
	}
	all = slices.Clone(all)
	for i := range all {
		if l := all[i].Lock; l != nil && l.LeaseSeconds > 0 {
			without := *l
			without.LeaseSeconds = 1
			all[i].Lock = &without
		}
	}
	return all
}

// updateHistory adds a point to the history of each service, and to that of all.
func (s *stats) updateHistory() {
	sum := point{at: s.now()}
	services := s.status.Named().Services
	for i := range services {
		p := pointOf(&services[i], s.now())
		s.history(services[i].Name).add(p)
		for j := range services[i].Backends {
			s.addBackend(services[i].Name, &services[i].Backends[j])
		}
		sum = sum.plus(p)
	}
	s.history("").add(sum)
}

const backendStep = 5 * time.Second

func (s *stats) addBackend(service string, b *proxy.BackendInfo) {
	target := service + "/" + b.Name
	h := s.pastBackends[target]
	if h == nil {
		h = &history{step: backendStep}
		s.pastBackends[target] = h
	}
	h.add(point{at: s.now(), in: b.BytesIn, out: b.BytesOut, total: b.Total, active: b.Active})
}

func (s *stats) history(service string) *history {
	h := s.past[service]
	if h == nil {
		h = &history{}
		s.past[service] = h
	}
	return h
}

// waiters is the queue of one service. version changes with every new answer.
type waiters struct {
	service string
	list    []proxy.WaiterInfo
	version uint64
}

// take makes list the waiters of a service, and reports whether there is something new to draw.
func (w *waiters) take(service string, list []proxy.WaiterInfo) bool {
	if service == w.service && len(list)+len(w.list) == 0 {
		return false
	}
	*w = waiters{service, list, w.version + 1}
	return true
}

// find reports whether a session or waiter is known, and whether it is live.
func (s *stats) find(id string) (known, live bool) {
	for i := range s.waiters.list {
		if s.waiters.list[i].ID == id {
			return true, true
		}
	}
	for _, r := range s.sessions.list {
		if r.ID == id {
			return true, r.Ended == nil
		}
	}
	return false, false
}

// targets returns the possible targets of an act.
func (s *stats) targets(act *api.Act) (targets []string) {
	switch act.On {
	case api.OnService:
		return s.serviceNames()
	case api.OnBackend:
		for i := range s.status.Services {
			service := &s.status.Services[i]
			for j := range service.Backends {
				targets = append(targets, service.Name+"/"+service.Backends[j].Name)
			}
		}
	case api.OnSession:
		for _, w := range s.waiters.list {
			targets = append(targets, w.ID)
		}
		for _, r := range s.sessions.list {
			if r.Ended == nil && len(targets) < 200 {
				targets = append(targets, r.ID)
			}
		}
	}
	return targets
}

func (s *stats) serviceNames() (names []string) {
	for i := range s.status.Services {
		names = append(names, s.status.Services[i].Name)
	}
	return names
}
