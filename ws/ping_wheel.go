package ws

import (
	"sync"
	"time"
)

// A pingWheel calls keepalive of all connections with the same ping interval. It
// is one timer for all of them: a timer or a goroutine each would be most of the
// memory of an idle connection. They are spread over its slots, of which each tick
// handles one.
type pingWheel struct {
	interval time.Duration

	mu      sync.Mutex
	slots   [8]map[*Conn]struct{}
	current int
	conns   int
	timer   *time.Timer
}

// pingWheels has a wheel for each interval in use. One without connections is
// stopped and removed, so that an idle program has no timer.
var pingWheels struct {
	sync.Mutex
	by map[time.Duration]*pingWheel
}

// addToPingWheel calls keepalive of c every interval, first after one interval.
func addToPingWheel(c *Conn, every time.Duration) {
	pingWheels.Lock()
	defer pingWheels.Unlock()
	k := pingWheels.by[every]
	if k == nil {
		if pingWheels.by == nil {
			pingWheels.by = map[time.Duration]*pingWheel{}
		}
		k = &pingWheel{interval: every}
		pingWheels.by[every] = k
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil {
		k.timer = time.AfterFunc(k.tickInterval(), k.tick)
	}
	if k.slots[k.current] == nil {
		k.slots[k.current] = map[*Conn]struct{}{}
	}
	k.slots[k.current][c] = struct{}{}
	k.conns++
	c.wheel, c.slot = k, k.current
}

func removeFromPingWheel(c *Conn) {
	k := c.wheel
	if k == nil {
		return
	}
	pingWheels.Lock()
	defer pingWheels.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.slots[c.slot], c)
	if len(k.slots[c.slot]) == 0 {
		k.slots[c.slot] = nil // frees its memory: a map does not shrink
	}
	if k.conns--; k.conns == 0 {
		k.timer.Stop()
		delete(pingWheels.by, k.interval)
	}
}

func (k *pingWheel) tickInterval() time.Duration { return k.interval / time.Duration(len(k.slots)) }

// tick handles the next slot. keepalive never waits, so a connection whose peer does
// not read delays the pings of no other.
func (k *pingWheel) tick() {
	k.mu.Lock()
	if k.conns == 0 {
		k.mu.Unlock()
		return
	}
	k.current = (k.current + 1) % len(k.slots)
	due := make([]*Conn, 0, len(k.slots[k.current]))
	for c := range k.slots[k.current] {
		due = append(due, c)
	}
	k.timer.Reset(k.tickInterval())
	k.mu.Unlock()
	for _, c := range due {
		c.run(c.keepalive)
	}
}
