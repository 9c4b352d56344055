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
	found := o.find(ids)
	for _, s := range found {
		s.kick(by, reason)
	}
	return len(found)
}

// find returns the sessions with these ids that have not ended, in the order of the ids.
func (o Operator) find(ids []string) (all []*Session) {
	by := make(map[uint64]*Session, len(ids))
	for _, id := range ids {
		by[numberOf(id)] = nil
	}
	for _, s := range o.engine.all() {
		for page := range s.live.pages(func() {}) {
			for _, v := range page {
				if _, asked := by[v.number]; asked {
					by[v.number] = v.Session
				}
			}
		}
	}
	for _, id := range ids {
		n := numberOf(id)
		if s := by[n]; s != nil {
			all = append(all, s)
			delete(by, n)
		}
	}
	return all
}

func (s *Session) kick(by, reason string) {
	s.signal(endRequest{by: ByOperator, who: by, reason: ReasonKicked, detail: reason})
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
	found := o.find(ids)
	o.engine.mu.Lock()
	defer o.engine.mu.Unlock()
	if err := o.engine.runsLocked(); err != nil {
		return err
	}
	o.engine.retiring.Go(func() { o.kickSlowly(by, reason, rate, found, len(ids)) })
	return nil
}

// kickSlowly kicks the sessions, which are those of the asked ones that had not ended when it was called.
func (o Operator) kickSlowly(by, reason string, rate float64, sessions []*Session, asked int) {
	// Beyond a thousand a second several are kicked at once: timers are not finer.
	tick := time.NewTicker(max(time.Duration(float64(time.Second)/rate), time.Millisecond))
	defer tick.Stop()
	began, next, kicked := time.Now(), 0, 0
	for next < len(sessions) {
		if next < 1+int(time.Since(began).Seconds()*rate) {
			if s := sessions[next]; s.service.live.has(s) {
				s.kick(by, reason)
				kicked++
			}
			next++
			continue
		}
		select {
		case <-tick.C:
		case <-o.engine.quit:
			return
		}
	}
	o.engine.note(Event{Kind: EventOperator, By: by, Text: fmt.Sprintf("kicked %s; %d had ended by themselves", text.Plural(kicked, "session"), asked-kicked)})
}
