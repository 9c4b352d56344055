package ws

import (
	"sync"
	"time"
)

// A clock gives every connection with the same ping interval its beat. It is
// one timer for all of them: a timer or a goroutine each would be the larger
// part of an idle session. They are spread over its slots, one slot a tick.
type clock struct {
	every time.Duration

	mu    sync.Mutex
	slots [8]map[*Conn]struct{}
	now   int
	conns int
	timer *time.Timer
}

// clocks has a clock for each interval in use. One without connections is
// stopped and forgotten, so nothing runs in a program that has none.
var clocks struct {
	sync.Mutex
	by map[time.Duration]*clock
}

// joinClock makes c beat every interval, for the first time one interval from now.
func joinClock(c *Conn, every time.Duration) {
	clocks.Lock()
	defer clocks.Unlock()
	k := clocks.by[every]
	if k == nil {
		if clocks.by == nil {
			clocks.by = map[time.Duration]*clock{}
		}
		k = &clock{every: every}
		clocks.by[every] = k
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil {
		k.timer = time.AfterFunc(k.tickTime(), k.tick)
	}
	if k.slots[k.now] == nil {
		k.slots[k.now] = map[*Conn]struct{}{}
	}
	k.slots[k.now][c] = struct{}{}
	k.conns++
	c.clock, c.slot = k, k.now
}

func leaveClock(c *Conn) {
	k := c.clock
	if k == nil {
		return
	}
	clocks.Lock()
	defer clocks.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.slots[c.slot], c)
	if len(k.slots[c.slot]) == 0 {
		k.slots[c.slot] = nil // a map never shrinks
	}
	if k.conns--; k.conns == 0 {
		k.timer.Stop()
		delete(clocks.by, k.every)
	}
}

func (k *clock) tickTime() time.Duration { return k.every / time.Duration(len(k.slots)) }

// tick visits the next slot. beat never waits, so one connection that is stuck
// keeps none of the others from its ping.
func (k *clock) tick() {
	k.mu.Lock()
	if k.conns == 0 {
		k.mu.Unlock()
		return
	}
	k.now = (k.now + 1) % len(k.slots)
	due := make([]*Conn, 0, len(k.slots[k.now]))
	for c := range k.slots[k.now] {
		due = append(due, c)
	}
	k.timer.Reset(k.tickTime())
	k.mu.Unlock()
	for _, c := range due {
		c.beat()
	}
}
