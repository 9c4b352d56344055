package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Kinds of events. The first word names what changed.
var (
	EventEngine      = eventKind("engine")           // the instance starts or stops
	EventBackendUp   = eventKind("backend.up")       // the checks of a backend pass again
	EventBackendDown = eventKind("backend.down")     // the checks of a backend failed
	EventEjected     = eventKind("backend.ejected")  // a backend was ejected because sessions fail on it
	EventReturned    = eventKind("backend.returned") // the ejection of a backend ended
	EventAdmin       = eventKind("backend.admin")    // a backend was drained, put into maint, made ready, given a weight, added or removed
	EventDrained     = eventKind("backend.drained")  // a drain ended
	EventService     = eventKind("service")          // a service was paused, resumed, opened or closed
	EventQueue       = eventKind("queue")            // a client was admitted after a long wait or timed out, or the queue is full
	EventSession     = eventKind("session")          // a session was kicked, or cut by its TTL
	EventDial        = eventKind("dial")             // dials to backends fail
	EventLimit       = eventKind("limit")            // file descriptors or sessions ran out
	EventOperator    = eventKind("operator")         // an act of an operator
	EventPlan        = eventKind("plan")             // a restart, window or roll began, proceeded or ended
	EventMark        = eventKind("mark")             // an operator's note
	EventRefused     = eventKind("refused")          // a client was refused before it waited
	EventAccess      = eventKind("access")           // a file of clients or secrets was reloaded, or cannot be read
	EventPeer        = eventKind("peer")             // a node of the mesh joined or was lost
	EventDiscovery   = eventKind("discovery")        // a source found other backends
	EventHeld        = eventKind("discovery.held")   // a source's answer would remove more than half of its backends, and is held
	EventNoAnswer    = eventKind("discovery.fails")  // a source does not answer
	EventHook        = eventKind("hook")             // a hook ran or failed
	EventHookFailing = eventKind("hook.failing")     // a hook failed for the third time in a row
	EventPauseNear   = eventKind("pause.near_max")   // less than a quarter of a pause's maximum remains
	EventQueueOld    = eventKind("queue.old")        // the oldest waiter has waited for half of queue.timeout
	EventPanic       = eventKind("panic")            // a bug in the program ended a session, check, hook or step
	EventLog         = eventKind("log")              // lines of the access log are lost, or no longer
	EventWindow      = eventKind("window.alarm")     // a window's command is still running at the deadline of its pause
)

// EventKinds lists all kinds, for configuration that names some of them.
var EventKinds []string

// eventKind makes every kind, so that none is missing in the list.
func eventKind(name string) string {
	EventKinds = append(EventKinds, name)
	return name
}

// Levels of events.
const (
	LevelInfo  = "info"
	LevelGood  = "good"
	LevelWarn  = "warn"
	LevelAlarm = "alarm"
)

// Event is one thing that happened, in one sentence.
type Event struct {
	Seq     uint64    `json:"seq"`  // number of the event, from 1, without gaps
	Time    time.Time `json:"time"` // when it happened
	Kind    string    `json:"kind"` // see the list of kinds
	Level   string    `json:"level"`
	Service string    `json:"service,omitempty"`
	Backend string    `json:"backend,omitempty"`
	Session string    `json:"session,omitempty"`
	By      string    `json:"by,omitempty"`      // operator who acted: "ana@edge-01"
	Peer    string    `json:"peer,omitempty"`    // another node that the event is about
	Stack   string    `json:"-"`                 // of a panic; for the log
	Past    bool      `json:"-"`                 // from before this process (Handover.Remember): already logged and notified
	Text    string    `json:"text"`              // the sentence: "backend pg-d is down: connection refused (3 of 3 checks failed)"
	Command string    `json:"command,omitempty"` // the command line of an operator's act
}

// EventPage is the events after a Seq.
type EventPage struct {
	Events  []Event `json:"events"`
	Dropped uint64  `json:"dropped"` // events after that Seq that are not kept anymore
	Last    uint64  `json:"last"`    // the newest Seq
}

// eventsKept bounds the ring: the newest are kept, the oldest are dropped.
const eventsKept = 4096

// note adds an event to the ring, and has it logged. It never waits, and may be called
// with any lock held.
func (e *Engine) note(ev Event) {
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	setDefault(&ev.Level, LevelInfo)
	e.events.Add(func(seq uint64) Event {
		ev.Seq = seq
		return ev
	})
}

// logPatience is how long Shutdown waits for a log that is behind.
const logPatience = 2 * time.Second

// Keys of logged attributes.
const (
	logKind    = "kind"
	logService = "service"
	logBackend = "backend"
	logSession = "session"
	logBy      = "by"
	logCommand = "command"
	logStack   = "stack"
)

// logEvent writes an event to the log. The event log's writer calls it: the
// handler is the user's code, and may take its time.
func (e *Engine) logEvent(ev Event, missed uint64) {
	ctx := context.Background()
	if missed > 0 {
		e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "events were not logged: the log handler is too slow", slog.Uint64("events", missed))
	}
	level := slog.LevelInfo
	switch ev.Level {
	case LevelWarn, LevelAlarm:
		level = slog.LevelWarn
	}
	if !e.cfg.Log.Enabled(ctx, level) {
		return
	}
	r := slog.NewRecord(ev.Time, level, ev.Text, 0) // when it happened
	r.AddAttrs(slog.String(logKind, ev.Kind))
	for _, a := range [...]struct{ key, value string }{
		{logService, ev.Service}, {logBackend, ev.Backend}, {logSession, ev.Session}, {logBy, ev.By}, {logCommand, ev.Command}, {logStack, ev.Stack},
	} {
		if a.value != "" {
			r.AddAttrs(slog.String(a.key, a.value))
		}
	}
	e.cfg.Log.Handler().Handle(ctx, r)
}

// noteThrottled notes one event per kind and service in ten seconds, with the number of
// similar ones since the last, which may be long ago.
func (e *Engine) noteThrottled(ev Event) { e.noteThrottledAs(ev.Kind+" "+ev.Service, ev) }

// noteThrottledAs is noteThrottled with another key than kind and service.
func (e *Engine) noteThrottledAs(key string, ev Event) {
	e.throttleMu.Lock()
	t := e.throttles[key]
	if t == nil {
		t = &throttle{}
		e.throttles[key] = t
	}
	ok, missed := t.pass(10 * time.Second)
	e.throttleMu.Unlock()
	if !ok {
		return
	}
	if missed > 0 {
		ev.Text += fmt.Sprintf(" (and %d more like it before)", missed)
	}
	e.note(ev)
}

// Events returns the events after since, and a channel that is closed when there
// are more.
func (o Operator) Events(since uint64) (page EventPage, more <-chan struct{}) {
	page.Events, page.Dropped, page.Last, more = o.engine.events.Since(since)
	return page, more
}
