package tui

import (
	"maps"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// rateSpan is the period of a rate. A single tick is too short: ten sessions a second would be
// shown as 12, 8, 12, 8.
const rateSpan = time.Second

// etaSpan is the period from which a drain's rate is computed.
const etaSpan = 30 * time.Second

// flow is new sessions and bytes a second.
type flow struct{ fresh, in, out float64 }

// drainPoint is how many sessions of a drain remained at one moment.
type drainPoint struct {
	at        time.Time
	remaining int
}

// updateFlows computes rates from the counters of a status about a second old.
func (s *stats) updateFlows() {
	now := s.now()
	for len(s.recent) > 1 && now.Sub(s.recent[1].Node.Now) >= rateSpan {
		s.recent = s.recent[1:]
	}
	clear(s.flows)
	if len(s.recent) > 0 {
		base := s.recent[0]
		if dt := now.Sub(base.Node.Now).Seconds(); dt > 0 {
			s.subtract(base, dt)
		}
	}
	s.recent = append(s.recent, s.status.Named())
}

// flowOf returns the flow of a service or backend. One that is being removed while another has its
// name has none: flows are known by name.
func (s *stats) flowOf(target string, current bool) flow {
	if !current {
		return flow{}
	}
	return s.flows[target]
}

func (s *stats) subtract(base *api.Status, dt float64) {
	rate := func(now, then int64) float64 { return max(float64(now-then), 0) / dt }
	var all flow
	services := s.status.Named().Services
	for i := range services {
		now := &services[i]
		then := base.Service(now.Name)
		if then == nil {
			continue
		}
		f := flow{rate(now.Sessions.Total, then.Sessions.Total), rate(now.BytesIn, then.BytesIn), rate(now.BytesOut, then.BytesOut)}
		s.flows[now.Name] = f
		all = flow{all.fresh + f.fresh, all.in + f.in, all.out + f.out}
		before := make(map[string]*proxy.BackendInfo, len(then.Backends))
		for j := range then.Backends {
			before[then.Backends[j].Name] = &then.Backends[j]
		}
		for j := range now.Backends {
			b := &now.Backends[j]
			if old := before[b.Name]; old != nil {
				s.flows[now.Name+"/"+b.Name] = flow{rate(b.Total, old.Total), rate(b.BytesIn, old.BytesIn), rate(b.BytesOut, old.BytesOut)}
			}
		}
	}
	s.flows[""] = all
}

// updateDrains records the progress of each drain.
func (s *stats) updateDrains() {
	draining := map[string]bool{}
	for i := range s.status.Services {
		service := &s.status.Services[i]
		for j := range service.Backends {
			b := &service.Backends[j]
			if b.Drain == nil {
				continue
			}
			target := service.Name + "/" + b.Name
			draining[target] = true
			points := append(s.drains[target], drainPoint{s.now(), b.Drain.Remaining})
			if points[0].at.After(s.now()) || points[0].remaining < b.Drain.Remaining {
				points = points[len(points)-1:] // another drain, or the clock was set
			}
			for len(points) > 2 && s.now().Sub(points[0].at) > etaSpan {
				points = points[1:]
			}
			s.drains[target] = points
		}
	}
	maps.DeleteFunc(s.drains, func(target string, _ []drainPoint) bool { return !draining[target] })
}

// draining reports whether something drains: then the console polls more often.
func (s *stats) draining() bool { return len(s.drains) > 0 }

// eta estimates when a drain ends, from its recent rate.
func (s *stats) eta(target string) (time.Duration, bool) {
	points := s.drains[target]
	if len(points) < 2 {
		return 0, false
	}
	first, last := points[0], points[len(points)-1]
	dt, ended := last.at.Sub(first.at), first.remaining-last.remaining
	if dt < time.Second || ended <= 0 {
		return 0, false
	}
	return time.Duration(float64(dt) / float64(ended) * float64(last.remaining)), true
}
