package api

import (
	"slices"

	"github.com/tcpctl/tcpctl/proxy"
)

// key returns the name of a service or backend, and whether it is being removed.
type key[T any] func(*T) (name string, removing bool)

func serviceKey(s *proxy.ServiceInfo) (string, bool) { return s.Name, s.Removing }
func backendKey(b *proxy.BackendInfo) (string, bool) { return b.Name, b.Removing }

// current returns the one with a name, or nil. One that is being removed may have
// a successor of the same name, which then counts.
func current[T any](all []T, name string, of key[T]) (found *T) {
	for i := range all {
		switch is, removing := of(&all[i]); {
		case is != name:
		case !removing:
			return &all[i]
		case found == nil:
			found = &all[i]
		}
	}
	return found
}

// Named returns the status with one service of each name and one backend of each
// target, for readers that keep numbers by name. One that is being removed and has
// a successor of its name is left out: its active sessions and waiters are added to
// the successor's, but not its counters, which would fall when it is gone.
func (s *Status) Named() *Status {
	if !slices.ContainsFunc(s.Services, hasRemoving) {
		return s
	}
	named := *s
	named.Services = byName(s.Services, serviceKey, func(into, from *proxy.ServiceInfo) {
		into.Sessions.Active += from.Sessions.Active
		into.Queue.Waiting += from.Queue.Waiting
		into.Queue.OldestSeconds = max(into.Queue.OldestSeconds, from.Queue.OldestSeconds)
	})
	for i := range named.Services {
		svc := &named.Services[i]
		svc.Backends = byName(svc.Backends, backendKey, func(into, from *proxy.BackendInfo) { into.Active += from.Active })
	}
	return &named
}

func hasRemoving(s proxy.ServiceInfo) bool {
	return s.Removing || slices.ContainsFunc(s.Backends, func(b proxy.BackendInfo) bool { return b.Removing })
}

// byName returns the current ones, and then those being removed: one of each name,
// to which add has added the others.
func byName[T any](all []T, of key[T], add func(into, from *T)) (named []T) {
	at := map[string]int{}
	for _, late := range []bool{false, true} {
		for i := range all {
			name, removing := of(&all[i])
			if removing != late {
				continue
			}
			if n, known := at[name]; known {
				add(&named[n], &all[i])
				continue
			}
			at[name] = len(named)
			named = append(named, all[i])
		}
	}
	return named
}
