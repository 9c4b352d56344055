package tui

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// historySpan is how far back the graph goes.
const historySpan = 5 * time.Minute

// point is the counters of one service, or of all, at one moment. failed includes
// sessions that were cut, unserved the waiters that abandoned or timed out.
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

// history is a point a second, or each step, as far back as the graph goes.
type history struct {
	points []point
	step   time.Duration // 0: a second
}

func (h *history) add(p point) {
	if n := len(h.points); n > 0 && p.at.Sub(h.points[n-1].at) < max(h.step, time.Second) {
		if h.points[n-1].total <= p.total {
			return
		}
		h.points = nil // counters fell: the service was made again
	}
	h.points = append(h.points, p)
	for len(h.points) > 1 && p.at.Sub(h.points[1].at) > historySpan {
		h.points = h.points[1:]
	}
}

// since is the points at both ends of the last span, and the seconds between them.
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

// rates divides the span before end into n parts and gives the rate of a counter
// in each, -1 where it is unknown. The parts lie on a fixed raster of time, so that
// the graph moves by whole columns and does not flicker.
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
			out[i] = out[i-1] // points are rarer than columns
		}
	}
	return out
}

// rasterEnd is the end of the part of the raster that t lies in.
func rasterEnd(t time.Time, step time.Duration) time.Time {
	if step <= 0 {
		return t
	}
	return t.Truncate(step).Add(step)
}
