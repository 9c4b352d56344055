package tui

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// A hog is one client that takes most of a service, of its bytes or of its
// sessions. It is looked for in the list of sessions, and only where there is
// enough to take.
const (
	hogShare    = 0.6
	hogRate     = 64 << 10         // bytes a second of the service, at least
	hogSessions = 20               // sessions of the service, at least
	hogSettle   = 10 * time.Second // how long it has to last
	hogEvery    = 5 * time.Second  // how often sessions are asked for where they are not shown
)

// hog is one of them.
type hog struct {
	service, host string
	session       string // its largest
	rate, share   float64
	sessions      int  // of the client
	byBytes       bool // else by sessions
	since         time.Time
}

// hogs is those that there are, by service.
type hogs struct {
	now map[string]hog
}

// wanted reports whether there may be one, by the status alone.
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

// share is what one client has of a service.
type share struct {
	rate, best float64
	sessions   int
	session    string        // its largest
	steady     time.Duration // how long that has moved about as much, by its average
}

// sharesOf is what each client has, by service and host, of the live sessions.
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
			continue // it shares with no other
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

// steadyFor is how long a session has moved as much as now: all its life, where its
// average says so. A console that was just opened knows a hog by it at once.
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
