package history

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// sampler is the sampling goroutine's state between two seconds.
type sampler struct {
	r       *Recorder
	seen    uint64 // the last event that was read
	waits   map[string]time.Duration
	talkers talkers
	look    int // ticks until the next read of the live sessions
	reports map[string]string
	running bool // a plan runs
	every   time.Duration
}

// sample takes a snapshot at each full second, and one at the end.
func (r *Recorder) sample() {
	defer close(r.sampled)
	defer close(r.queue)
	s := &sampler{r: r, waits: map[string]time.Duration{}, reports: map[string]string{}, every: time.Second}
	s.talkers.begin(time.Now().Unix() / 60 * 60)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	suspended := false
	for {
		var tick <-chan time.Time
		if !suspended {
			now := time.Now()
			timer.Reset(now.Truncate(s.every).Add(s.every).Sub(now))
			tick = timer.C
		}
		select {
		case <-r.ctx.Done():
			if !suspended {
				s.take(true, false)
			}
			return
		case <-r.ordered:
			was := suspended
			if suspended = r.suspends.Load(); suspended && !was {
				s.take(true, true)
			}
		case <-tick:
			s.take(false, false)
		}
	}
}

// take takes a snapshot and offers it to the writer. If the writer has no room nothing is lost: its
// counts will be in the next one.
func (s *sampler) take(last, suspend bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	b := &batch{now: time.Now(), suspend: suspend, waits: s.waits}
	if status, err := s.r.source.Status(ctx); err == nil {
		b.status, b.now = status.Named(), status.Node.Now
		b.waiters = s.waiters(ctx, status)
		s.every = interval(status)
	}
	if page, err := s.r.source.Events(ctx, s.seen, false); err == nil {
		b.events, b.dropped = page.Events, page.Dropped
		if s.seen == 0 {
			b.dropped = 0 // those came before this process
		}
	}
	s.addRecords()
	s.look--
	if minute := b.now.Unix() / 60 * 60; last || s.look <= 0 || minute != s.talkers.minute {
		s.talkers.look(s.r.source.Live(ctx, api.SessionQuery{}))
		if s.look = listEvery; len(s.talkers.live) > 1000 {
			s.look = listMany
		}
		b.minute, b.talkers = s.talkers.minute, s.talkers.top()
		if minute != s.talkers.minute {
			s.talkers.begin(minute)
		}
	}
	b.reports = s.changedReports(ctx, b.events)
	seen := s.seen
	if n := len(b.events); n > 0 {
		seen = b.events[n-1].Seq
	}
	reports := b.reports
	select {
	case s.r.queue <- b: // now owned by the writer
		s.waits, s.seen = map[string]time.Duration{}, seen
	default:
		s.r.lostSeconds.Add(1)
		for _, rep := range reports {
			delete(s.reports, rep.ID)
		}
	}
}

// waiters returns the first waiters of each queue that has any.
func (s *sampler) waiters(ctx context.Context, status *api.Status) map[string][]proxy.WaiterInfo {
	all := map[string][]proxy.WaiterInfo{}
	for i := range status.Services {
		if is := &status.Services[i]; is.Queue.Waiting > 0 {
			if some, err := s.r.source.Waiters(ctx, is.Name, clientsMost); err == nil {
				all[is.Name] = some
			}
		}
	}
	return all
}

// interval returns how often to take a status of that size.
func interval(status *api.Status) time.Duration {
	n := len(status.Services)
	for i := range status.Services {
		n += len(status.Services[i].Backends)
	}
	return min(time.Duration(1+n/perSecond)*time.Second, 10*time.Second)
}

func (s *sampler) addRecords() {
	s.r.records.take(func(rec *record) {
		s.waits[rec.service] = max(s.waits[rec.service], rec.waited)
		s.talkers.ended(rec)
	})
}

// changedReports returns the reports of plans that have begun or ended, or are under way.
func (s *sampler) changedReports(ctx context.Context, events []proxy.Event) (changed []proxy.Report) {
	look := s.running || len(s.reports) == 0
	for i := range events {
		look = look || events[i].Kind == proxy.EventPlan
	}
	if !look {
		return nil
	}
	all, err := s.r.source.Reports(ctx)
	if err != nil {
		return nil
	}
	s.running = false
	for _, rep := range all {
		state := rep.State + rep.Ended.String()
		if rep.Ended.IsZero() {
			s.running, state = true, ""
		}
		if was, known := s.reports[rep.ID]; !known || state == "" || was != state {
			s.reports[rep.ID] = state
			changed = append(changed, rep)
		}
	}
	return changed
}
