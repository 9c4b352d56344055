package api

import (
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// refusal is the engine's error with a hint: its own, or one for the target's state.
func refusal(s *Status, a *Act, target string, err error) *Error {
	e := *AsError(err)
	if e.Hint == "" && !strings.Contains(e.Text, "; ") {
		e.Hint = hint(s, a, target)
	}
	return &e
}

func hint(s *Status, a *Act, target string) string {
	name, backend := SplitTarget(target)
	svc, b := s.Service(name), s.Backend(target)
	planned := s.Plan != nil && s.Plan.Service == name && (s.Plan.State == proxy.PlanRunning || s.Plan.State == proxy.PlanPaused)
	switch {
	case svc == nil:
		return "tcpctl status lists services and backends"
	case a.Name == "add":
		return "tcpctl status " + name + " lists its backends; append ,name=NAME to the address for another name"
	case planned:
		return "tcpctl report shows its progress, tcpctl plan abort stops it"
	case backend != "" && b != nil && b.Admin != proxy.AdminReady:
		return "tcpctl ready " + target + " puts it back in service"
	case svc.State == proxy.StateClosed:
		return "tcpctl open " + name + " opens it again"
	case a.Name == "pause" && svc.Pause != nil:
		return "tcpctl resume " + name + " ends it"
	}
	return "tcpctl status " + name + " shows its state"
}
