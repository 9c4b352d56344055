package tui

import (
	"reflect"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// rateSpan is how far back a rate looks. A tick alone is too short: ten
// sessions a second would be shown as 12, 8, 12, 8.
const rateSpan = time.Second

// etaSpan is how much of a drain's past says how fast it closes.
const etaSpan = 30 * time.Second

// world is what the console knows of the engine: the newest status, and what
// it works out by itself from those before.
type world struct {
	status  *api.Status
	at      time.Time // by our clock, when the status came
	version uint64    // changes when there is something else to draw

	flows   map[string]flow      // by service, and by service/backend
	past    map[string]*history  // by service; "" is all of them
	drains  map[string][]closing // by service/backend, while it drains
	asked   map[string]asked     // acts that no status shows yet, by target
	recent  []*api.Status        // those of the last few seconds
	journal journal
}

// flow is what moves, a second.
type flow struct{ fresh, in, out float64 }

// closing is how many sessions a drain had left at one moment.
type closing struct {
	at   time.Time
	left int
}

// asked is an act that was done, and that the next status will show.
type asked struct {
	act  string
	done bool      // the engine has answered
	at   time.Time // by our clock, when it did
}

func newWorld() *world {
	return &world{
		status: &api.Status{}, flows: map[string]flow{}, past: map[string]*history{},
		drains: map[string][]closing{}, asked: map[string]asked{},
	}
}

// now is the engine's clock. It stands still while the engine is silent:
// ages that go on counting would say that we know.
func (w *world) now() time.Time { return w.status.Node.Now }

// known reports whether there has been any status yet.
func (w *world) known() bool { return !w.at.IsZero() }

// take makes s the newest status. begun is our clock when it was asked for.
// It reports whether the engine is another one than before.
func (w *world) take(s *api.Status, begun, at time.Time) (restarted bool) {
	old := w.status
	restarted = w.known() && (!s.Node.Started.Equal(old.Node.Started) || s.Node.PID != old.Node.PID)
	if restarted {
		w.recent, w.past, w.drains = nil, map[string]*history{}, map[string][]closing{}
	}
	if restarted || !w.known() || !same(old, s) {
		w.version++
	}
	for target, a := range w.asked {
		if a.done && begun.After(a.at) {
			delete(w.asked, target)
			w.version++
		}
	}
	w.status, w.at = s, at
	w.rates()
	w.remember()
	w.follow()
	return restarted
}

// same compares what is drawn of two statuses. Ages are drawn in seconds.
func same(a, b *api.Status) bool {
	if a.Node.Now.Unix() != b.Node.Now.Unix() {
		return false
	}
	c := *b
	c.Node.Now = a.Node.Now
	c.Mesh = quiet(b.Mesh)
	old := *a
	old.Mesh = quiet(a.Mesh)
	return reflect.DeepEqual(&old, &c)
}

// quiet is a mesh without what changes with every heartbeat: that is drawn
// once a second.
func quiet(m *api.Mesh) *api.Mesh {
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

// rates subtracts the counters of a status about a second old.
func (w *world) rates() {
	now := w.now()
	for len(w.recent) > 1 && now.Sub(w.recent[1].Node.Now) >= rateSpan {
		w.recent = w.recent[1:]
	}
	clear(w.flows)
	if len(w.recent) > 0 {
		base := w.recent[0]
		if dt := now.Sub(base.Node.Now).Seconds(); dt > 0 {
			w.subtract(base, dt)
		}
	}
	w.recent = append(w.recent, w.status)
}

func (w *world) subtract(base *api.Status, dt float64) {
	rate := func(now, then int64) float64 { return max(float64(now-then), 0) / dt }
	var all flow
	for i := range w.status.Services {
		s := &w.status.Services[i]
		o := base.Service(s.Name)
		if o == nil {
			continue
		}
		f := flow{rate(s.Sessions.Total, o.Sessions.Total), rate(s.BytesIn, o.BytesIn), rate(s.BytesOut, o.BytesOut)}
		w.flows[s.Name] = f
		all = flow{all.fresh + f.fresh, all.in + f.in, all.out + f.out}
		before := make(map[string]*proxy.BackendInfo, len(o.Backends))
		for j := range o.Backends {
			before[o.Backends[j].Name] = &o.Backends[j]
		}
		for j := range s.Backends {
			b := &s.Backends[j]
			if ob := before[b.Name]; ob != nil {
				w.flows[s.Name+"/"+b.Name] = flow{rate(b.Total, ob.Total), rate(b.BytesIn, ob.BytesIn), rate(b.BytesOut, ob.BytesOut)}
			}
		}
	}
	w.flows[""] = all
}

// remember adds a point to each service's past, and to that of all.
func (w *world) remember() {
	sum := point{at: w.now()}
	for i := range w.status.Services {
		p := pointOf(&w.status.Services[i], w.now())
		w.history(w.status.Services[i].Name).add(p)
		sum = sum.plus(p)
	}
	w.history("").add(sum)
}

func (w *world) history(service string) *history {
	h := w.past[service]
	if h == nil {
		h = &history{}
		w.past[service] = h
	}
	return h
}

// follow keeps how the drains close.
func (w *world) follow() {
	draining := map[string]bool{}
	for i := range w.status.Services {
		s := &w.status.Services[i]
		for j := range s.Backends {
			b := &s.Backends[j]
			if b.Drain == nil {
				continue
			}
			target := s.Name + "/" + b.Name
			draining[target] = true
			line := append(w.drains[target], closing{w.now(), b.Drain.Remaining})
			if line[0].at.After(w.now()) || line[0].left < b.Drain.Remaining {
				line = line[len(line)-1:] // another drain, or a clock that was set
			}
			for len(line) > 2 && w.now().Sub(line[0].at) > etaSpan {
				line = line[1:]
			}
			w.drains[target] = line
		}
	}
	for target := range w.drains {
		if !draining[target] {
			delete(w.drains, target)
		}
	}
}

// draining reports whether something drains: then we look more often.
func (w *world) draining() bool { return len(w.drains) > 0 }

// eta guesses when a drain is over, from how fast it closed lately.
func (w *world) eta(target string) (time.Duration, bool) {
	line := w.drains[target]
	if len(line) < 2 {
		return 0, false
	}
	first, last := line[0], line[len(line)-1]
	dt, closed := last.at.Sub(first.at), first.left-last.left
	if dt < time.Second || closed <= 0 {
		return 0, false
	}
	return time.Duration(float64(dt) / float64(closed) * float64(last.left)), true
}
