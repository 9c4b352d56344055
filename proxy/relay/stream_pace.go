package relay

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace limits how fast a side is read. A nil pace does not.
type pace struct {
	limiter *rate.Limiter
	closed  chan struct{}
	once    sync.Once
	loopPace
}

// Limit bounds how many bytes per second are copied from the side. Call it before
// Relay.
func (s *Side) Limit(bytesPerSecond int64) {
	// A read may fill a whole buffer, so the burst is at least that.
	burst := int(max(bytesPerSecond/4, bufferSize))
	s.more().pace = &pace{limiter: rate.NewLimiter(rate.Limit(bytesPerSecond), burst), closed: make(chan struct{})}
}

// reserve returns how long n bytes that were read have to wait.
func (p *pace) reserve(now time.Time, n int) (delay time.Duration) {
	for n > 0 {
		part := min(n, p.limiter.Burst())
		n -= part
		delay = p.limiter.ReserveN(now, part).DelayFrom(now)
	}
	return delay
}

// wait waits until n more bytes may pass, or the side is closed.
func (p *pace) wait(n int) {
	if p == nil {
		return
	}
	delay := p.reserve(time.Now(), n)
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.closed:
	}
}

func (p *pace) stop() {
	if p != nil {
		p.once.Do(func() { close(p.closed) })
	}
}
