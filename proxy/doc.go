// Package proxy puts services in front of TCP backends: it accepts clients,
// holds them in a first-come-first-served queue while they must wait, chooses
// a backend that its checks have found to be up, and carries the bytes.
//
//	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{
//		Name:     "db",
//		Listen:   []string{"127.0.0.1:5432"},
//		Backends: []proxy.BackendConfig{{Addr: "10.0.0.11:5432"}, {Addr: "10.0.0.12:5432"}},
//	}}})
//	if err == nil {
//		err = engine.Start()
//	}
//
// The life of a session is the listing of this folder: open.go, admit.go with
// gate.go and balance.go, dial.go, relay.go, record.go. Begin with session.go.
//
// # Locks
//
// They are taken in this order; any of them may be left out:
//
//	Engine.mu → sharers.mu → Service.queue → Plan.mu, live.mu → timer, event log, plan.Steps, runners' inboxes
//
// A service's queue guards all that decides which client may go, and where to:
// queue.Do runs a change, queue.Update also admits those that may go then, and
// queue.View only reads. What is a thing of its own is a type that Service
// holds, and that says what guards it: pauseState, hookState, backendSet,
// serviceStats, predecessorState, changes. A method that wants the queue locked
// says so in its name (…Locked) or in its comment. While a queue is locked, or
// what stands behind it, nothing is dialled, opened, logged or waited for, and
// no user's code runs: an event goes into a ring, from which one goroutine logs
// (Engine.note); a session that is to end gets a message.
//
// What needs no engine is a package below: health (one check, what results
// mean, and the loop of them), command, relay, and internal/plan (steps that
// are taken one after another). What the steps of a restart or a window do
// stays here, since each of them is a change under the service's queue.
package proxy
