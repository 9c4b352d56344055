package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// FindService returns a service, or an error that lists the services.
func FindService(e *proxy.Engine, name string) (*proxy.Service, error) {
	if s := e.Service(name); s != nil {
		return s, nil
	}
	return nil, noService(name, e.Operator().ServiceNames())
}

// FindService returns a service of the status, or an error that lists the
// services.
func (s *Status) FindService(name string) (*proxy.ServiceInfo, error) {
	if svc := s.Service(name); svc != nil {
		return svc, nil
	}
	var names []string
	for _, svc := range s.Services {
		names = append(names, svc.Name)
	}
	return nil, noService(name, names)
}

func noService(name string, names []string) *Error {
	return unknownOf(fmt.Sprintf("there is no service %q", name), names)
}

// unknownOf adds the known names as a hint.
func unknownOf(text string, names []string) *Error {
	if len(names) == 0 {
		return Unknown(text, "there is none")
	}
	return Unknown(text, "it is one of: "+strings.Join(names, ", "))
}

// FindBackend returns the backend of "service/backend", or an error that lists
// the backends.
func FindBackend(e *proxy.Engine, target string) (*proxy.Backend, error) {
	service, name := SplitTarget(target)
	s, err := FindService(e, service)
	if err != nil {
		return nil, err
	}
	if b := s.Backend(name); b != nil {
		return b, nil
	}
	var have []string
	for _, b := range s.Info().Backends {
		have = append(have, service+"/"+b.Name)
	}
	return nil, unknownOf(fmt.Sprintf("there is no backend %q", target), have)
}

// hasBackend reports whether the service, or any service if none is named, has a
// backend of that name.
func hasBackend(e *proxy.Engine, service, name string) bool {
	for _, s := range e.Operator().Services() {
		if service == "" || s.Name == service {
			if slices.ContainsFunc(s.Backends, func(b proxy.BackendInfo) bool { return b.Name == name }) {
				return true
			}
		}
	}
	return false
}

// findAct is Lookup with an error that names the known acts.
func findAct(name string) (*Act, error) {
	if a := Lookup(name); a != nil {
		return a, nil
	}
	var names []string
	for _, a := range Acts {
		names = append(names, a.Name)
	}
	return nil, unknownOf(fmt.Sprintf("there is no act %q", name), names)
}

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
