// Package api is what is asked of an engine, and how: one Status that every
// reader shares, one table of acts that every user interface (commands, console, HTTP
// routes) is made from, and Source, through which the console sees an engine
// in its own process, over the control socket, or a made-up one in a test.
package api

import (
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Status is everything at one moment: what status --json prints, the control
// socket sends, the metrics are made from and the console draws.
type Status struct {
	Node     Node                `json:"node"`
	Services []proxy.ServiceInfo `json:"services"`
	Mesh     *Mesh               `json:"mesh,omitempty"`
	Cluster  *Cluster            `json:"cluster,omitempty"` // absent: it is in none
	Plan     *proxy.PlanInfo     `json:"plan,omitempty"`
	History  *HistoryInfo        `json:"history,omitempty"` // where it is kept, and what was lost
	// Certificates are those of the services whose clients speak TLS.
	Certificates []CertificateInfo `json:"certificates,omitempty"`
	// Predecessors still serve clients from before an upgrade; Services counts
	// them, too.
	Predecessors []PredecessorInfo `json:"predecessors,omitempty"`
}

// Node is this tcpctl.
type Node struct {
	Name       string    `json:"name"`
	Version    string    `json:"version"`
	Started    time.Time `json:"started"`
	ConfigHash string    `json:"config_hash,omitempty"`
	PID        int       `json:"pid"`
	// Reload is how the last reload went; absent where there is no file to reload.
	Reload *ReloadInfo `json:"reload,omitempty"`
	// GraceSeconds is how long sessions and waiters may take at a stop that
	// does not say otherwise; absent where nothing stops this node.
	GraceSeconds float64 `json:"grace_seconds,omitempty"`
	// Now is the engine's clock when the status was made, so that a reader
	// whose own clock is off still shows the right ages.
	Now time.Time `json:"now"`
}

// ReloadInfo is how the reloads of this process have gone. Its start is none, and
// sets the times.
type ReloadInfo struct {
	OK       bool      `json:"ok"`              // the last one was applied; or there was none
	Error    string    `json:"error,omitempty"` // why the last one was not
	At       time.Time `json:"at"`              // of the last one, applied or not
	LoadedAt time.Time `json:"loaded_at"`       // since when the configuration is in force
	Applied  int64     `json:"applied"`
	Failed   int64     `json:"failed"`
}

// Service finds a service by name; nil when there is none.
func (s *Status) Service(name string) *proxy.ServiceInfo {
	for i := range s.Services {
		if s.Services[i].Name == name {
			return &s.Services[i]
		}
	}
	return nil
}

// Certificate finds the certificate of a service; nil when it has none.
func (s *Status) Certificate(service string) *CertificateInfo {
	for i := range s.Certificates {
		if s.Certificates[i].Name == service {
			return &s.Certificates[i]
		}
	}
	return nil
}

// Backend finds a backend by its target, "service/backend"; nil when there is none.
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

// backendsOf puts all its backends in the place of a service.
func (s *Status) backendsOf(targets []string) (all []string) {
	for _, target := range targets {
		svc := s.Service(target)
		if svc == nil || len(svc.Backends) == 0 {
			all = append(all, target) // the error about it comes later
			continue
		}
		for _, b := range svc.Backends {
			all = append(all, svc.Name+"/"+b.Name)
		}
	}
	return all
}
