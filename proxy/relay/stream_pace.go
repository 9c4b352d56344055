package relay

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace bounds how fast a side is read. A nil pace does not.
type pace struct {
	limiter *rate.Limiter
	closed  chan struct{}
	once    sync.Once
}

// Limit bounds how many bytes a second are copied from the side. Call it before
// Relay; only the stream runner supports it.
func (s *Side) Limit(bytesPerSecond int64) {
	// A read may be of a whole buffer, so the burst is no less.
	burst := int(max(bytesPerSecond/4, bufferSize))
	s.pace = &pace{limiter: rate.NewLimiter(rate.Limit(bytesPerSecond), burst), closed: make(chan struct{})}
}

// wait waits until n more bytes may go on, or the side is closed.
func (p *pace) wait(n int) {
	if p == nil {
		return
	}
	for n > 0 {
		part := min(n, p.limiter.Burst())
		n -= part
		delay := p.limiter.ReserveN(time.Now(), part).Delay()
		if delay == 0 {
			continue
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-p.closed:
			timer.Stop()
			return
		}
	}
}

func (p *pace) stop() {
	if p != nil {
		p.once.Do(func() { close(p.closed) })
	}
}
