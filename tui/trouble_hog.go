package tui

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// A hog is one client that takes most of a service's bytes or sessions. It is looked for in the
// list of sessions, and only if the service has enough of either.
const (
	hogShare    = 0.6
	hogRate     = 64 << 10         // minimum bytes a second of the service
	hogSessions = 20               // minimum sessions of the service
	hogSettle   = 10 * time.Second // how long it must last
	hogEvery    = 5 * time.Second  // how often sessions are fetched while they are not shown
)

type hog struct {
	service, host string
	session       string // its busiest
	rate, share   float64
	sessions      int  // of the client
	byBytes       bool // else by sessions
	since         time.Time
}

// hogs has the current hogs, by service.
type hogs struct {
	now map[string]hog
}

// wanted reports whether, by the status alone, there may be a hog.
func (h *hogs) wanted(s *stats) bool {
	for i := range s.status.Services {
		svc := &s.status.Services[i]
		flow := s.flows[svc.Name]
		if svc.Sessions.Active > 1 && flow.in+flow.out >= hogRate || svc.Sessions.Active >= hogSessions {
			return true
		}
	}
	return false
}

// share is one client's part of a service.
type share struct {
	rate, best float64
	sessions   int
	session    string        // its busiest
	steady     time.Duration // see steadyFor
}

// sharesOf returns each client's share of the live sessions, by service and host.
func sharesOf(list []*session) map[string]map[string]*share {
	clients := map[string]map[string]*share{}
	for _, r := range list {
		if r.Ended != nil {
			continue
		}
		of := clients[r.Service]
		if of == nil {
			of = map[string]*share{}
			clients[r.Service] = of
		}
		c := of[hostOf(r.Client)]
		if c == nil {
			c = &share{best: -1}
			of[hostOf(r.Client)] = c
		}
		c.rate += r.in + r.out
		c.sessions++
		if r.in+r.out > c.best {
			c.best, c.session, c.steady = r.in+r.out, r.ID, steadyFor(r)
		}
	}
	return clients
}

// take looks for hogs in a new list of sessions.
func (h *hogs) take(list []*session, at time.Time) {
	next := map[string]hog{}
	for service, of := range sharesOf(list) {
		if len(of) < 2 {
			continue // the service's only client
		}
		rate, n := 0.0, 0
		for _, c := range of {
			rate += c.rate
			n += c.sessions
		}
		for host, c := range of {
			one := hog{service: service, host: host, session: c.session, rate: c.rate, sessions: c.sessions, since: at}
			switch {
			case rate >= hogRate && c.rate >= hogShare*rate:
				one.share, one.byBytes, one.since = c.rate/rate, true, at.Add(-c.steady)
			case n >= hogSessions && float64(c.sessions) >= hogShare*float64(n):
				one.share = float64(c.sessions) / float64(n)
			default:
				continue
			}
			if was, ok := h.now[service]; ok && was.host == host {
				one.since = was.since
			}
			if had, ok := next[service]; !ok || one.byBytes && !had.byBytes {
				next[service] = one
			}
		}
	}
	h.now = next
}

// steadyFor returns how long a session has had its current rate: all its life if its average is
// about as high. So a new console recognizes an old hog at once.
func steadyFor(r *session) time.Duration {
	if r.AgeSeconds <= 0 || float64(r.BytesIn+r.BytesOut)/r.AgeSeconds < (r.in+r.out)/2 {
		return 0
	}
	return screen.Seconds(r.AgeSeconds)
}

func (h *hogs) troubles(f *frame) (list []trouble) {
	for _, service := range f.stats.serviceNames() {
		one, ok := h.now[service]
		lasts := f.ago(one.since)
		if !ok || lasts < hogSettle {
			continue
		}
		text := fmt.Sprintf("%s  %d of its sessions, %.0f %% of %s, %s", screen.Safe(one.host), one.sessions, one.share*100, screen.Safe(service), age(lasts))
		if one.byBytes {
			text = fmt.Sprintf("%s  %s/s, %.0f %% of %s, %s", screen.Safe(one.host), screen.Bytes(one.rate), one.share*100, screen.Safe(service), age(lasts))
		}
		list = append(list, trouble{kind: troubleHog, id: "hog " + service + " " + one.host, name: screen.Safe(service), at: service, state: "HOG",
			text: text, key: "kick", verb: "kick", pane: paneSessions, row: one.session})
	}
	return list
}
