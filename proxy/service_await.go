package proxy

import "context"

// changedLocked wakes those who await a state of the service. It is called
// where a pause, a release, a hold, a hook or a backend's health has changed.
func (s *Service) changedLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// await returns once over says so, which is asked with the queue locked, now
// and each time that the service's state has changed; or with ctx's cause.
func (s *Service) await(ctx context.Context, over func() bool) error {
	for {
		more := s.changeUnless(over)
		if more == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-more:
		}
	}
}

// changeUnless gives what is closed at the next change of the service's state;
// nil when over says that there is nothing to wait for.
func (s *Service) changeUnless(over func() bool) (more <-chan struct{}) {
	s.queue.Do(func() {
		if over() {
			return
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		more = s.changed
	})
	return more
}
