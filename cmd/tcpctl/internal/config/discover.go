package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/discover"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Discover is a source of a service's backends at run time. In the file a plain
// string is a Discover with only From.
type Discover struct {
	From      string        `toml:"from"`                                                                // KIND:WHAT, as in discover.Spec
	Run       []string      `toml:"run" argv:"yes" example:"[\"/usr/local/bin/list-backends\", \"db\"]"` // exec: command with its arguments
	DNSServer string        `toml:"dns_server"`                                                          // for dns and srv; "": the system's
	Refresh   time.Duration `toml:"refresh" default:"30s"`                                               // longest time between two queries
	Timeout   time.Duration `toml:"timeout" default:"5s"`                                                // time limit of one query
	Hold      time.Duration `toml:"hold" default:"30s"`                                                  // 0: an answer applies at once

	ToTLS // of each backend

	// For backends to which the source gives none.
	Priority     int           `toml:"priority" min:"0"`
	MaxSessions  int           `toml:"max_sessions" min:"0"`
	Restart      []string      `toml:"restart" argv:"yes" example:"[\"/usr/local/bin/restart-vm\"]"`
	ReadyTimeout time.Duration `toml:"ready_timeout" default:"60s"`
}

// discover reads a table, or a string that stands for one.
func (d *decoder) discover(path string, raw any, p **Discover) {
	c := usual[Discover]()
	if from, plain := raw.(string); plain {
		if from == "" {
			return // as if the key were absent
		}
		c.From = from
	} else if !d.table(path, raw, reflect.ValueOf(&c).Elem()) {
		return
	}
	switch kind, what, _ := strings.Cut(c.From, ":"); {
	case what == "":
	case kind == discover.KindFile:
		c.From = kind + ":" + d.path(path+".from", what, "new") // the file may be created later
	case kind == discover.KindExec:
		argv := []string{what}
		d.program(path+".from", argv)
		c.From = kind + ":" + argv[0]
	}
	*p = &c
}

// discoverName is the name of the source in a service's discover key. The source of a backend with
// dns has the backend's name after a prefix that no other name can have.
const (
	discoverName = "discover"
	dnsPrefix    = "backends/"
)

// TLSConfig gives how TLS is spoken to the backends that are found, nil for none.
// Those of a name have one, others each their own.
func (d *Discover) TLSConfig() *proxy.BackendTLS {
	kind, what, _ := strings.Cut(d.From, ":")
	host, _, err := net.SplitHostPort(what)
	if kind != discover.KindDNS || err != nil {
		host = ""
	}
	return d.ToTLS.config(host)
}

// specs returns the sources of a service.
func (s *Service) specs() (all []discover.Spec) {
	for _, b := range s.Backends {
		if b.DNS != "" {
			all = append(all, b.spec())
		}
	}
	if d := s.Discover; d != nil {
		all = append(all, discover.Spec{Name: discoverName, From: d.From, Run: d.Run, Server: d.DNSServer, Refresh: d.Refresh, Timeout: d.Timeout, Hold: d.Hold,
			Backend: proxy.BackendConfig{TLS: d.TLSConfig(), Priority: d.Priority, MaxSessions: d.MaxSessions, Restart: d.Restart, ReadyTimeout: orOff(d.ReadyTimeout)}})
	}
	return all
}

// spec returns the source for a backend with dns.
func (b *Backend) spec() discover.Spec {
	c := b.proxy()
	c.Name, c.Addr = "", ""
	return discover.Spec{Name: dnsPrefix + b.Name, From: discover.KindDNS + ":" + b.DNS, Server: b.DNSServer, Refresh: b.Refresh, Hold: b.Hold, Backend: c}
}

// Discover is what finds backends of each service.
func (f *File) Discover() map[string][]discover.Spec {
	all := map[string][]discover.Spec{}
	for i := range f.Services {
		if specs := f.Services[i].specs(); len(specs) > 0 {
			all[f.Services[i].Name] = specs
		}
	}
	return all
}

// checkDiscover checks the sources of a service.
func (s *Service) checkDiscover(r *report, path string) {
	first := map[string]int{}
	for i := range s.Backends {
		b, at := &s.Backends[i], fmt.Sprintf("%s.backends[%d]", path, i)
		if b.DNS == "" {
			continue
		}
		spec := b.spec()
		r.discover(spec.Validate(), at, map[string]string{"from": "dns"})
		if other, twice := first[b.Name]; twice {
			r.wrong(at, fmt.Sprintf("the first is in line %d: give one of them another name", r.lines.find(fmt.Sprintf("%s.backends[%d]", path, other)).line),
				"service %q: two backends are called %q", s.Name, b.Name)
		}
		first[b.Name] = i
	}
	d := s.Discover
	if d == nil {
		return
	}
	d.ToTLS.check(r, path+".discover", "discover")
	specs := s.specs()
	r.discover(specs[len(specs)-1].Validate(), path+".discover", nil)
	r.refresh(path+".discover.refresh", d.Refresh)
	if d.Timeout <= 0 {
		r.wrong(path+".discover.timeout", `write the longest that an answer may take, such as "5s"`, "timeout = %q: a question has to end", text.Duration(d.Timeout))
	}
}

// warn warns about a missing list, which is no error: it may still be created.
func (d *Discover) warn(r *report, path, service string) {
	if kind, name, _ := strings.Cut(d.From, ":"); kind == discover.KindFile {
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			r.wrong(path+".from", "name a file; until then, nothing is found", "service %q: %q is not a regular file", service, name)
		} else if err != nil {
			r.wrong(path+".from", "nothing is found until the file exists", "service %q: there is no file %q now", service, name)
		}
	}
}

// discover reports what is wrong with a source, at its key below path; some keys have other names
// in the file.
func (r *report) discover(err error, path string, keys map[string]string) {
	if wrong, ok := errors.AsType[*discover.Error](err); ok {
		key := wrong.Key
		if k, known := keys[key]; known {
			key = k
		}
		r.wrong(path+"."+key, wrong.Hint, "%s", wrong.Text)
	}
}

func (r *report) refresh(path string, d time.Duration) {
	if d < discover.MinRefresh {
		r.wrong(path, `write "1s" or more`, "refresh = %q would ask without a rest", text.Duration(d))
	}
}

// withoutSources replaces the backends that stand for sources, and only served to check their
// values, by the sources.
func (s *Service) withoutSources(c proxy.ServiceConfig) proxy.ServiceConfig {
	i := 0
	c.Backends = slices.DeleteFunc(c.Backends, func(proxy.BackendConfig) bool { i++; return s.Backends[i-1].DNS != "" })
	for _, spec := range s.specs() {
		c.Discover = append(c.Discover, proxy.DiscoverySource{Name: spec.Name, Kind: spec.Kind(), From: spec.Asked()})
	}
	return c
}
