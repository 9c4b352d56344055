// Package proxy is a TCP proxy: it accepts clients, holds them in a
// first-come-first-served queue while they must wait, chooses a backend that is
// up according to its checks, and copies the data.
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
// A session passes through open.go, admit.go with gate.go and balance.go, dial.go,
// relay.go and record.go. Start reading with session.go.
//
// # Locks
//
// Locks are taken in this order; any of them may be left out:
//
//	Engine.mu → sharers.mu → Service.queue → Plan.mu, live.mu → timer, event log, plan.Steps, runners' inboxes
//
// A service's queue guards all state that decides which client is admitted and to
// which backend: queue.Do runs a change, queue.Update also admits waiters
// afterwards, and queue.View only reads. Independent parts of this state are types
// that Service holds, each of which documents what guards it: pauseState,
// hookState, backendSet, serviceStats, predecessorState, changes. A method that
// needs the queue locked says so in its name (…Locked) or in its comment. While a
// queue, or a lock after it in this order, is held, nothing is dialled, opened,
// logged or waited for, and no user code runs: an event goes into a ring, from
// which one goroutine logs (Engine.note); a session that has to end gets a message.
//
// Code that needs no engine is in packages below: health (checks, their results and
// their loop), command, relay, and internal/plan (consecutive steps). The steps of a
// restart or window are here, because each is a change under the service's queue.
package proxy
