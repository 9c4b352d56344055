package proxy

import (
	"math"
	"slices"
)

// chooseLocked gives the backend for a session, nil and the reason why there
// is none. A lower priority number serves first; a full backend is waited for,
// not spilled over (rule 1).
func (s *Service) chooseLocked(sess *Session) (*Backend, Reason) {
	tier := math.MaxInt
	for _, b := range s.backends {
		if b.serves() && b.priority < tier {
			tier = b.priority
		}
	}
	if tier == math.MaxInt {
		return nil, ReasonNoBackend
	}
	free := s.candidates[:0]
	for _, b := range s.backends {
		if b.serves() && b.priority == tier && !b.full() && !sess.hasTried(b) {
			free = append(free, b)
		}
	}
	s.candidates = free
	switch len(free) {
	case 0:
		return nil, ReasonFull
	case 1:
		return free[0], ""
	}
	from := s.weighed[:0]
	for _, b := range free {
		b.balance.Weight, b.balance.Share, b.balance.Active = b.weight, b.share(), b.active
		from = append(from, &b.balance)
	}
	s.weighed = from
	return free[slices.Index(from, s.policy.Pick(from, sess.client.Remote().Addr()))], ""
}
