package proxy

import (
	"context"
	"runtime/pprof"
)

// Goroutines that live long have labels, which dumps and profiles show: their
// role, and the service and backend that they are for. Those that they start
// have the same, as the accepting one's sessions on the stream runner. Traces
// of a crash show them under GODEBUG=tracebacklabels=1.

// Roles of goroutines.
const (
	roleClients = "clients" // accepts them, and on the stream runner serves them
	roleLoops   = "loops"   // serve the clients of all services on the loop runner
	roleClock   = "clock"
	roleCheck   = "check"
	roleHook    = "hook"
	rolePlan    = "plan"
	roleRetire  = "retire" // waits for the last sessions of what a reload has taken away
)

// label names the goroutine that calls it.
func label(role, service, backend string) {
	labels := []string{"role", role}
	if service != "" {
		labels = append(labels, "service", service)
	}
	if backend != "" {
		labels = append(labels, "backend", backend)
	}
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labels...)))
}

// labelled runs what starts goroutines, in one that they have their labels
// from: the caller's own would be lost, since they cannot be read.
func labelled(role, service string, start func() error) error {
	started := make(chan error)
	go func() {
		label(role, service, "")
		started <- start()
	}()
	return <-started
}
