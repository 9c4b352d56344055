package proxy

import (
	"reflect"
	"time"
)

// QuietDrains are the drains of one service that end live sessions at quiet
// moments. An engine passes them to its predecessors (Follow), which have some of
// the sessions.
type QuietDrains struct {
	Service  string                `json:"service"`
	Number   int64                 `json:"number"`        // increases; the highest is in force
	All      *QuietDrain           `json:"all,omitempty"` // drain of all sessions except those that bypass a pause; absent: none
	Backends map[string]QuietDrain `json:"backends,omitempty"`
}

// QuietDrain ends sessions that have carried no data for AfterSeconds.
type QuietDrain struct {
	AfterSeconds float64 `json:"after_seconds"`
	By           string  `json:"by,omitempty"` // operator
}

func (d *QuietDrain) own() *quietDrain {
	if d == nil {
		return nil
	}
	return &quietDrain{durationOf(d.AfterSeconds), d.By}
}

// tellPredecessorsLocked makes the previous processes, while they have clients of the
// service, end them as this one ends its own.
func (q *quietDrains) tellPredecessorsLocked(now QuietDrains) {
	s := q.service
	f := s.engine.cfg.QuietPredecessors
	if f == nil || s.predecessors.Active+s.predecessors.Waiting == 0 || reflect.DeepEqual(now, q.told) ||
		q.told.Service == "" && now.All == nil && len(now.Backends) == 0 {
		return
	}
	q.told = now
	now.Number = time.Now().UnixNano()
	s.working.Go(func() { f(now) })
}

// EndQuiet ends sessions of an engine that has handed over, at the quiet moments
// that its successor asks for. From then on, no other drain of the engine does
// so.
func (h Handover) EndQuiet(now QuietDrains) {
	for _, s := range h.engine.all() {
		if s.name != now.Service {
			continue
		}
		s.queue.Update(func() {
			if was := s.quiet.successor; was == nil || was.Number < now.Number {
				s.quiet.successor = &now
				s.quiet.updateLocked()
			}
		})
	}
}
