// Package api is the interface of an engine for readers and operators: one Status
// for all readers, one table of acts from which the commands, the console and the
// HTTP routes are derived, and Source, through which the console uses an engine in
// its own process, over the control socket, or a fake in a test.
package api

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Status is everything at one moment. status --json prints it, the control socket
// sends it, and the metrics and the console are derived from it.
type Status struct {
	Node     Node                `json:"node"`
	Services []proxy.ServiceInfo `json:"services"`
	Mesh     *Mesh               `json:"mesh,omitempty"`
	Cluster  *Cluster            `json:"cluster,omitempty"` // cluster of the node; absent: none
	Plan     *proxy.PlanInfo     `json:"plan,omitempty"`
	History  *HistoryInfo        `json:"history,omitempty"` // where the history is kept, and what was lost
	// Certificates are the certificates of the services whose clients use TLS.
	Certificates []CertificateInfo `json:"certificates,omitempty"`
	// Predecessors are processes that still serve clients from before an upgrade;
	// Services includes those clients.
	Predecessors []PredecessorInfo `json:"predecessors,omitempty"`
}

// Node is this instance of tcpctl.
type Node struct {
	Name       string    `json:"name"`
	Version    string    `json:"version"`
	Started    time.Time `json:"started"`
	ConfigHash string    `json:"config_hash,omitempty"`
	PID        int       `json:"pid"`
	// Reload is the outcome of the last reload; absent without a configuration file.
	Reload *ReloadInfo `json:"reload,omitempty"`
	// GraceSeconds is how long sessions and waiters may take to end at a stop by
	// default; absent if the node cannot be stopped.
	GraceSeconds float64 `json:"grace_seconds,omitempty"`
	// Now is the engine's time of this status, so that a reader whose own clock is
	// off still shows correct ages.
	Now time.Time `json:"now"`
}

// ReloadInfo is the outcome of the reloads of this process. The start is not a
// reload, but sets the times.
type ReloadInfo struct {
	OK       bool      `json:"ok"`              // whether the last reload was applied, or there was none
	Error    string    `json:"error,omitempty"` // why the last reload was not applied
	At       time.Time `json:"at"`              // time of the last reload, applied or not
	LoadedAt time.Time `json:"loaded_at"`       // when the configuration took effect
	Applied  int64     `json:"applied"`         // number of reloads that were applied
	Failed   int64     `json:"failed"`          // number of reloads that failed
}

// Service returns the service with a name, or nil.
func (s *Status) Service(name string) *proxy.ServiceInfo {
	for i := range s.Services {
		if s.Services[i].Name == name {
			return &s.Services[i]
		}
	}
	return nil
}

// Certificate returns the certificate of a service, or nil.
func (s *Status) Certificate(service string) *CertificateInfo {
	for i := range s.Certificates {
		if s.Certificates[i].Name == service {
			return &s.Certificates[i]
		}
	}
	return nil
}

// Backend returns the backend of a target, "service/backend", or nil.
func (s *Status) Backend(target string) *proxy.BackendInfo {
	service, name := SplitTarget(target)
	if svc := s.Service(service); svc != nil {
		for i := range svc.Backends {
			if svc.Backends[i].Name == name {
				return &svc.Backends[i]
			}
		}
	}
	return nil
}

// backendsOf replaces a service by all of its backends.
func (s *Status) backendsOf(targets []string) (all []string) {
	for _, target := range targets {
		svc := s.Service(target)
		if svc == nil || len(svc.Backends) == 0 {
			all = append(all, target) // reported as an error later
			continue
		}
		for _, b := range svc.Backends {
			all = append(all, svc.Name+"/"+b.Name)
		}
	}
	return all
}
