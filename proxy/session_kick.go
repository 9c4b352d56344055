package proxy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// Kick closes sessions and waiting clients by their ids, and returns how many it
// found.
func (o Operator) Kick(by, reason string, ids ...string) (n int) {
	which := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		which[numberOf(id)] = true
	}
	for _, s := range o.engine.all() {
		for page := range s.live.pages(func() {}) {
			for _, sess := range page {
				if which[sess.number] {
					sess.signal(endRequest{by: ByOperator, who: by, reason: ReasonKicked, detail: reason})
					n++
				}
			}
		}
	}
	return n
}

// numberOf returns the number of an id, or 0, which no session has, for an invalid one.
func numberOf(id string) (n uint64) {
	if digits, ok := strings.CutPrefix(id, "s"); ok {
		n, _ = strconv.ParseUint(digits, 10, 64)
	}
	return n
}

// Existed reports whether a session has or had that id.
func (o Operator) Existed(id string) bool {
	n := numberOf(id)
	return n > 0 && n <= o.engine.sessions.Load()
}

// KickSlowly kicks at most rate sessions per second, in the order of the ids, so
// that clients that reconnect at once do not all come together. It returns at
// once; an event reports the end. The end of the engine ends it.
func (o Operator) KickSlowly(by, reason string, rate float64, ids ...string) error {
	v := &values{}
	v.rate("rate", rate)
	v.note("reason", reason)
	if rate == 0 {
		v.wrong("rate", "Kick closes all at once", "rate = 0/s is out of range")
	}
	if err := v.first(); err != nil {
		return err
	}
	o.engine.mu.Lock()
	defer o.engine.mu.Unlock()
	if !o.engine.started || o.engine.stopped {
		return errNotRunning
	}
	o.engine.retiring.Go(func() { o.kickSlowly(by, reason, rate, ids) })
	return nil
}

func (o Operator) kickSlowly(by, reason string, rate float64, ids []string) {
	// Beyond a thousand a second several are kicked at once: timers are not finer.
	tick := time.NewTicker(max(time.Duration(float64(time.Second)/rate), time.Millisecond))
	defer tick.Stop()
	began, next, kicked := time.Now(), 0, 0
	for next < len(ids) {
		due := min(1+int(time.Since(began).Seconds()*rate), len(ids))
		if due > next {
			kicked += o.Kick(by, reason, ids[next:due]...)
			next = due
			continue
		}
		select {
		case <-tick.C:
		case <-o.engine.quit:
			return
		}
	}
	o.engine.note(Event{Kind: EventOperator, By: by, Text: fmt.Sprintf("kicked %s; %d had ended by themselves", text.Plural(kicked, "session"), len(ids)-kicked)})
}
