package proxy

import (
	"context"
	"runtime/pprof"
)

// Long-lived goroutines have labels, which dumps and profiles show: their role, and
// their service and backend. Goroutines that they start inherit the labels, such as
// those of sessions on the stream runner. Traces of a crash show them under
// GODEBUG=tracebacklabels=1.

// Roles of goroutines.
const (
	roleClients = "clients" // accepts clients, and on the stream runner serves them
	roleLoops   = "loops"   // serve the clients of all services on the loop runner
	roleClock   = "clock"
	roleCheck   = "check"
	roleHook    = "hook"
	rolePlan    = "plan"
	roleRetire  = "retire" // waits for the last sessions of what a reload has removed
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

// labelled calls start in a new goroutine, from which the goroutines that it starts
// inherit labels: the caller's own labels cannot be read, and would be lost.
func labelled(role, service string, start func() error) error {
	started := make(chan error)
	go func() {
		label(role, service, "")
		started <- start()
	}()
	return <-started
}
