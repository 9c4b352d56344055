package proxy

import (
	"sync"
	"time"
)

// Kinds of events. The first word is the noun that changed.
const (
	EventEngine    = "engine"          // started, stopping
	EventBackendUp = "backend.up"      // checks are good again
	EventBackendDn = "backend.down"    // checks have failed
	EventAdmin     = "backend.admin"   // drain, maint, ready, weight, added, removed
	EventDrained   = "backend.drained" // a drain has come to its end
	EventService   = "service"         // paused, resumed, opened, closed
	EventQueue     = "queue"           // granted after a long wait, timed out, full
	EventSession   = "session"         // kicked, cut by a TTL
	EventDial      = "dial"            // dials fail
	EventLimit     = "limit"           // descriptors or sessions ran out
	EventOperator  = "operator"        // somebody acted
	EventPlan      = "plan"            // restart, window, roll
	EventMark      = "mark"            // an operator's note
	EventRefused   = "refused"         // a client at the door
	EventPeer      = "peer"            // another node of the mesh came or went
	EventHook      = "hook"            // a hook has run, or failed
	EventPauseNear = "pause.near_max"  // less than a quarter of a pause's longest time is left
	EventQueueOld  = "queue.old"       // the oldest waiter has used up half of queue.timeout
	EventWindow    = "window.alarm"    // a window's command still runs at the end of its pause
)

// EventKinds are all kinds, for those who let others choose among them.
var EventKinds = []string{EventEngine, EventBackendUp, EventBackendDn, EventAdmin, EventDrained, EventService, EventQueue,
	EventSession, EventDial, EventLimit, EventOperator, EventPlan, EventMark, EventRefused, EventHook, EventPeer,
	EventPauseNear, EventQueueOld, EventWindow}

// How much an event matters.
const (
	LevelInfo  = "info"
	LevelGood  = "good"
	LevelWarn  = "warn"
	LevelAlarm = "alarm"
)

// Event is something that happened, in one sentence.
type Event struct {
	Seq     uint64    `json:"seq"` // from 1, without gaps
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`
	Level   string    `json:"level"`
	Service string    `json:"service,omitempty"`
	Backend string    `json:"backend,omitempty"`
	Session string    `json:"session,omitempty"`
	By      string    `json:"by,omitempty"`      // who acted: "ana@edge-01"
	Peer    string    `json:"peer,omitempty"`    // the other node that it is about
	Text    string    `json:"text"`              // "backend pg-d is down: refused, 3 of 3"
	Command string    `json:"command,omitempty"` // of an operator's act: the equal command line
}

// EventPage is what a reader gets that has seen all events up to some Seq.
type EventPage struct {
	Events  []Event `json:"events"`
	Dropped uint64  `json:"dropped"` // how many it missed because it came too late
	Last    uint64  `json:"last"`    // the newest Seq there is
}

// eventsKept bounds the ring: the newest are kept, the oldest are dropped.
const eventsKept = 4096

// ring keeps the newest events. Readers poll by sequence number, so that a
// slow one can never hold up the engine.
type ring struct {
	mu    sync.Mutex
	last  uint64
	slots []Event
	more  chan struct{} // closed and replaced at each event
}

func newRing(size int) *ring {
	return &ring{slots: make([]Event, size), more: make(chan struct{})}
}

// add gives ev its number and keeps it in the place of the oldest.
func (r *ring) add(ev Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	ev.Seq = r.last
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	if ev.Level == "" {
		ev.Level = LevelInfo
	}
	r.slots[r.last%uint64(len(r.slots))] = ev
	close(r.more)
	r.more = make(chan struct{})
}

// since returns the events after seq, at most max of them (0: all that are
// kept), and a channel that is closed when there are more.
func (r *ring) since(seq uint64, max int) (EventPage, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq > r.last {
		seq = 0 // a number from before a restart: begin again
	}
	page := EventPage{Last: r.last, Events: []Event{}}
	from := seq + 1
	if oldest := r.oldest(); from < oldest {
		page.Dropped = oldest - from
		from = oldest
	}
	for n := from; n <= r.last; n++ {
		if max > 0 && len(page.Events) == max {
			break
		}
		page.Events = append(page.Events, r.slots[n%uint64(len(r.slots))])
	}
	return page, r.more
}

func (r *ring) oldest() uint64 {
	if kept := uint64(len(r.slots)); r.last > kept {
		return r.last - kept + 1
	}
	return 1
}
