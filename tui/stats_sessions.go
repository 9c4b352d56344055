package tui

import (
	"cmp"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// sessions is the newest list of sessions, live ones first. version changes with every new answer.
type sessions struct {
	list    []*session
	before  map[string]bytesAt // for the rates
	version uint64
}

// session is a session with its rates in bytes a second.
type session struct {
	proxy.SessionInfo
	in, out float64
}

// bytesAt has a session's counters at one moment, and its rates then.
type bytesAt struct {
	at            time.Time
	in, out       int64
	inSec, outSec float64
}

// take makes list the newest one, and reports whether there is something new to draw. Rates come
// from the difference to the list before.
func (s *sessions) take(list []proxy.SessionInfo, at time.Time) bool {
	if len(list)+len(s.list) == 0 {
		return false
	}
	rows := make([]*session, len(list))
	now := make(map[string]bytesAt, len(list))
	for i := range list {
		r := &session{SessionInfo: list[i]}
		rows[i] = r
		if r.Ended != nil {
			continue
		}
		was, known := s.before[r.ID]
		switch dt := at.Sub(was.at).Seconds(); {
		case !known:
			was = bytesAt{at: at, in: r.BytesIn, out: r.BytesOut}
		case dt >= rateSpan.Seconds()*0.9:
			was = bytesAt{at, r.BytesIn, r.BytesOut, max(float64(r.BytesIn-was.in), 0) / dt, max(float64(r.BytesOut-was.out), 0) / dt}
		}
		r.in, r.out = was.inSec, was.outSec
		now[r.ID] = was
	}
	slices.SortStableFunc(rows, byAge)
	*s = sessions{rows, now, s.version + 1}
	return true
}

// byAge puts live sessions first, oldest first, so that new ones are added below and move none;
// then the ended ones, newest first.
func byAge(a, b *session) int {
	switch {
	case a.Ended == nil && b.Ended == nil:
		return cmp.Or(cmp.Compare(b.AgeSeconds, a.AgeSeconds), cmp.Compare(a.ID, b.ID))
	case a.Ended == nil:
		return -1
	case b.Ended == nil:
		return 1
	}
	return cmp.Or(b.Ended.Ended.Compare(a.Ended.Ended), cmp.Compare(a.ID, b.ID))
}

// sessionText describes a session or waiter as last seen: its client, its backend, its age and its
// rate. An unknown one has only its id.
func (f *frame) sessionText(id string) string {
	for _, s := range f.stats.sessions.list {
		if s.ID == id {
			return screen.Safe(api.SessionText(&s.SessionInfo, s.in+s.out))
		}
	}
	for _, w := range f.stats.waiters.list {
		if w.ID == id {
			return screen.Safe(api.SessionText(&proxy.SessionInfo{ID: id, Client: w.Client, Service: f.stats.waiters.service, Phase: proxy.PhaseQueue, AgeSeconds: w.WaitedSeconds}, 0))
		}
	}
	return screen.Safe(id)
}
