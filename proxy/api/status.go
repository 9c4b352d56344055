// Package api is the interface of an engine for readers and operators: one Status
// for all readers, one table of acts from which the commands, the console and the
// HTTP routes are derived, and Source, through which the console uses an engine in
// its own process, over the control socket, or a fake in a test.
package api

import (
	"fmt"
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

// Service returns the service with a name, or nil: of several, the one that is
// not being removed.
func (s *Status) Service(name string) *proxy.ServiceInfo {
	return current(s.Services, name, serviceKey)
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

// Backend returns the backend of a target, "service/backend", or nil: of
// several, the one that is not being removed.
func (s *Status) Backend(target string) *proxy.BackendInfo {
	service, name := SplitTarget(target)
	if svc := s.Service(service); svc != nil {
		return current(svc.Backends, name, backendKey)
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

// CertificateInfo is a TLS certificate that clients get now. It differs from the
// one in File if that has changed and cannot be read.
type CertificateInfo struct {
	Name     string    `json:"name"` // name of the service whose clients get it
	File     string    `json:"file"`
	NotAfter time.Time `json:"not_after"` // end of its validity
}

// CertificateNear is how long before its end a certificate expires soon.
const CertificateNear = 14 * 24 * time.Hour

// Expired reports whether the certificate has expired.
func (c *CertificateInfo) Expired(now time.Time) bool { return now.After(c.NotAfter) }

// Near reports whether the certificate has expired or will soon.
func (c *CertificateInfo) Near(now time.Time) bool { return c.NotAfter.Sub(now) < CertificateNear }

// Text returns a sentence about a certificate that expires soon; "" for others.
func (c *CertificateInfo) Text(now time.Time) string {
	switch at := c.NotAfter.Local().Format("2006-01-02 15:04"); {
	case c.Expired(now):
		return fmt.Sprintf("! certificate %s expired at %s: renew it in place, it is read without a reload", c.File, at)
	case c.Near(now):
		return fmt.Sprintf("~ certificate %s expires in %s, at %s: renew it in place, it is read without a reload", c.File, days(c.NotAfter.Sub(now)), at)
	}
	return ""
}

func days(d time.Duration) string {
	switch n := int(d / (24 * time.Hour)); {
	case n > 1:
		return fmt.Sprintf("%d days", n)
	case d >= time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}
