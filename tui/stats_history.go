package tui

import (
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

const historySpan = 5 * time.Minute

// point has the counters of one service, or of all, at one moment. failed includes sessions that
// were cut; unserved is waiters that were abandoned or timed out.
type point struct {
	at                                                  time.Time
	in, out, total, failed, rejected, granted, unserved int64
	active, waiting                                     int
}

func pointOf(s *proxy.ServiceInfo, at time.Time) point {
	return point{
		at: at, in: s.BytesIn, out: s.BytesOut, total: s.Sessions.Total,
		failed: s.Sessions.Failed + s.Sessions.Cut, rejected: s.Sessions.Rejected,
		granted: s.Queue.Granted, unserved: s.Queue.Abandoned + s.Queue.TimedOut,
		active: s.Sessions.Active, waiting: s.Queue.Waiting,
	}
}

func (p point) plus(o point) point {
	p.in, p.out, p.total, p.failed = p.in+o.in, p.out+o.out, p.total+o.total, p.failed+o.failed
	p.rejected, p.granted, p.unserved = p.rejected+o.rejected, p.granted+o.granted, p.unserved+o.unserved
	p.active, p.waiting = p.active+o.active, p.waiting+o.waiting
	return p
}

// history has a point for each second or step, over historySpan.
type history struct {
	points []point
	step   time.Duration // 0: a second
}

func (h *history) add(p point) {
	if n := len(h.points); n > 0 && p.at.Sub(h.points[n-1].at) < max(h.step, time.Second) {
		if h.points[n-1].total <= p.total {
			return
		}
		h.points = nil // counters fell: the service was recreated
	}
	h.points = append(h.points, p)
	for len(h.points) > 1 && p.at.Sub(h.points[1].at) > historySpan {
		h.points = h.points[1:]
	}
}

// takePast puts what the engine has recorded before the console's own points, so that graphs do not
// begin when it attaches. An engine without a history has none.
func (s *stats) takePast(series []api.Series) {
	all := map[time.Time]api.Point{}
	step := time.Second
	for i := range series {
		one := &series[i]
		step = time.Duration(one.StepSeconds * float64(time.Second))
		if one.Backend != "" {
			if h := s.pastBackends[one.Service+"/"+one.Backend]; h != nil {
				h.prepend(one.Points, step)
			}
			continue
		}
		if h := s.past[one.Service]; h != nil {
			h.prepend(one.Points, step)
		}
		for _, p := range one.Points {
			all[p.At] = sumOf(all[p.At], p)
		}
	}
	sums := slices.Collect(maps.Values(all))
	sort.Slice(sums, func(i, j int) bool { return sums[i].At.Before(sums[j].At) })
	s.history("").prepend(sums, step)
}

func sumOf(a, b api.Point) api.Point {
	b.BytesIn, b.BytesOut, b.New = a.BytesIn+b.BytesIn, a.BytesOut+b.BytesOut, a.New+b.New
	b.Failed, b.Cut, b.Rejected = a.Failed+b.Failed, a.Cut+b.Cut, a.Rejected+b.Rejected
	b.Held, b.Abandoned = a.Held+b.Held, a.Abandoned+b.Abandoned
	b.Active, b.Waiting = a.Active+b.Active, a.Waiting+b.Waiting
	return b
}

// prepend puts steps of a length, in order, before the oldest point. Steps have increments but
// points have counters, which prepend extends backwards from the oldest point: below zero if the
// engine was started meanwhile.
func (h *history) prepend(steps []api.Point, length time.Duration) {
	if len(h.points) == 0 {
		return
	}
	at := h.points[0]
	var back []point
	for _, s := range slices.Backward(steps) {
		if s.At.Add(length).After(at.at) {
			continue
		}
		end := at
		end.at, end.active, end.waiting = s.At.Add(length), s.Active, s.Waiting
		at = end
		at.at = s.At
		at.in, at.out, at.total = at.in-s.BytesIn, at.out-s.BytesOut, at.total-s.New
		at.failed, at.rejected = at.failed-s.Failed-s.Cut, at.rejected-s.Rejected
		at.granted, at.unserved = at.granted-s.Held+s.Abandoned, at.unserved-s.Abandoned
		for _, p := range [...]point{end, at} {
			if n := len(back); n == 0 || back[n-1].at.Sub(p.at) >= max(h.step, time.Second) {
				back = append(back, p)
			}
		}
	}
	slices.Reverse(back)
	h.points = append(back, h.points...)
}

// since returns the points at both ends of the last span, and the seconds between them.
func (h *history) since(span time.Duration) (then, now point, dt float64) {
	n := len(h.points)
	if n == 0 {
		return point{}, point{}, 0
	}
	now = h.points[n-1]
	i := n - 1
	for i > 0 && now.at.Sub(h.points[i-1].at) <= span {
		i--
	}
	return h.points[i], now, now.at.Sub(h.points[i].at).Seconds()
}

// rates divides the span before end into n parts and returns the rate of a counter in each, -1 if
// unknown. The parts are aligned to fixed times, so that the graph moves by whole columns and does
// not flicker.
func (h *history) rates(n int, end time.Time, counter func(*point) int64) []float64 {
	out := make([]float64, n)
	step := historySpan / time.Duration(max(n, 1))
	first := rasterEnd(end, step).Add(-step * time.Duration(n))
	k := 0
	for i := range out {
		out[i] = -1
		to := first.Add(step * time.Duration(i+1))
		from := k
		for k+1 < len(h.points) && !h.points[k+1].at.After(to) {
			k++
		}
		if k > from {
			a, b := &h.points[from], &h.points[k]
			out[i] = max(float64(counter(b)-counter(a)), 0) / b.at.Sub(a.at).Seconds()
		} else if i > 0 && k > 0 && k+1 < len(h.points) {
			out[i] = out[i-1] // fewer points than columns
		}
	}
	return out
}

// rasterEnd returns the end of the step, aligned to multiples of its length, that contains t.
func rasterEnd(t time.Time, step time.Duration) time.Time {
	if step <= 0 {
		return t
	}
	return t.Truncate(step).Add(step)
}
