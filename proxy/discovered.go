package proxy

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// DiscoverySource identifies something outside the engine that finds backends for
// a service and passes them to SetDiscovered.
type DiscoverySource struct {
	Name string `json:"name"` // unique among the sources of the service
	Kind string `json:"kind"` // kind of source: dns, srv, consul, exec or file
	From string `json:"from"` // what the source queries: "_db._tcp.example.com"
}

// DiscoveryInfo is the state of a source.
type DiscoveryInfo struct {
	DiscoverySource
	Backends int            `json:"backends"`        // backends that the source contributes now
	At       *time.Time     `json:"at,omitempty"`    // time of its last answer; absent: none yet
	Error    string         `json:"error,omitempty"` // why the last query failed; the last answer remains in force
	Failing  *time.Time     `json:"failing_since,omitempty"`
	Failures int64          `json:"failures"`       // failed queries; an upgrade carries the count over
	Held     *DiscoveryHeld `json:"held,omitempty"` // backends missing from the last answer that are kept for now
}

// DiscoveryHeld are backends that are missing from the last answers and are kept
// for now, because they are more than half.
type DiscoveryHeld struct {
	Missing []string  `json:"missing"` // names of the backends
	Until   time.Time `json:"until"`   // an answer after this time removes the first of them
}

// Text returns the state of the source as a line for people: "found by srv, 12s ago".
func (d *DiscoveryInfo) Text(now time.Time) string {
	text := "found by " + d.Kind
	if d.At != nil {
		text += ", " + roughly(now.Sub(*d.At).Round(time.Second)) + " ago"
	}
	switch {
	case d.At == nil && d.Error == "":
		return "? " + d.Kind + " " + d.From + ": no answer yet"
	case d.At == nil:
		return "! " + d.Kind + " " + d.From + ": " + d.Error
	case d.Error != "":
		text = "! " + text + "; no answer since then: " + d.Error
	case d.Backends == 0:
		text = "! " + text + ": no backends"
	}
	if h := d.Held; h != nil {
		text = "! " + strings.TrimPrefix(text, "! ") + fmt.Sprintf("; the answer leaves out %d of %d: %s stay until %s", len(h.Missing), d.Backends,
			strings.Join(h.Missing[:min(len(h.Missing), 4)], ", ")+more(len(h.Missing)-4), clockTime(h.Until))
	}
	return text
}

func more(n int) string {
	if n > 0 {
		return fmt.Sprintf(" and %d more", n)
	}
	return ""
}

// discovery is what the sources of a service have found, and what operators have set
// for backends that no source names now. All of it is guarded by the service's queue;
// discovered backends are also in the service's configuration.
type discovery struct {
	service *Service
	found   map[string]Discovered   // by source
	absent  map[string]SavedBackend // by name
}

// Discovered is the current backends of a source.
type Discovered struct {
	Source   DiscoveryInfo
	Backends []BackendConfig
}

// SetDiscovered replaces the backends that the service has from one of its
// sources (rule 40), and returns what changed. New backends begin with checks;
// missing ones are drained and then removed; live sessions stay where they are.
// Operators win: their admin states and weights outlive the answers, even while
// the backend is absent, and a backend that an operator removed stays removed as
// long as the source names it. A source that is not in the configuration changes
// nothing. A backend that Validate refuses is skipped, with an event; call
// CheckAdded before to find one that leads back to its own service.
func (s *Service) SetDiscovered(d Discovered) (changes []string) {
	all := d.Backends
	d.Backends = slices.Clone(all)[:0]
	for _, b := range all {
		if err := b.Validate(); err != nil {
			s.engine.noteThrottledAs("discovery "+s.name+"/"+b.Addr, Event{Kind: EventDiscovery, Level: LevelWarn, Service: s.name,
				Text: fmt.Sprintf("a backend of %s of %s is left out: %v", s.name, d.Source.Kind, err)})
			continue
		}
		if b = b.withDefaults(); b.FoundBy == "" { // otherwise it would count as configured, and stay for ever
			b.FoundBy = cmp.Or(d.Source.Kind, d.Source.Name)
		}
		d.Backends = append(d.Backends, b)
	}
	s.queue.Update(func() {
		old := *s.config()
		if !old.discovers(d.Source.Name) {
			return
		}
		was := s.discovery.found[d.Source.Name]
		if s.discovery.found == nil {
			s.discovery.found = map[string]Discovered{}
		}
		s.discovery.found[d.Source.Name] = d
		if was.Backends == nil || !reflect.DeepEqual(was.Backends, d.Backends) {
			c := old
			c.Backends = s.discovery.mergedLocked(c)
			s.cfg.Store(&c)
			changes = s.backends.applyLocked(old, c, d.Source.Kind)
		}
		s.servingChangedLocked()
	})
	return changes
}

// Discovered returns what SetDiscovered last got from a source.
func (s *Service) Discovered(source string) (d Discovered) {
	s.queue.View(func() { d = s.discovery.found[source] })
	return d
}

// UnderMaintenance reports whether a pause, restart, roll or window is under way:
// a backend missing from a source may then only be restarting.
func (s *Service) UnderMaintenance() (is bool) {
	s.queue.View(func() { is = s.pause.current != nil || s.plan != nil })
	return is
}

// discovers reports whether the service has a source of this name.
func (c *ServiceConfig) discovers(source string) bool {
	return slices.ContainsFunc(c.Discover, func(d DiscoverySource) bool { return d.Name == source })
}

// mergedLocked returns the backends of a configuration: its own first, and then those
// that its sources have found. The first of several with the same name counts.
func (ds *discovery) mergedLocked(c ServiceConfig) []BackendConfig {
	all := slices.DeleteFunc(slices.Clone(c.Backends), func(b BackendConfig) bool { return b.FoundBy != "" })
	s, taken := ds.service, map[string]bool{}
	for _, b := range all {
		taken[b.Name] = true
	}
	for _, source := range c.Discover {
		for _, b := range ds.found[source.Name].Backends {
			if taken[b.Name] {
				s.engine.noteThrottledAs("discovery "+s.name+"/"+b.Name, Event{Kind: EventDiscovery, Level: LevelWarn, Service: s.name, Backend: b.Name,
					Text: fmt.Sprintf("backend %s/%s of %s is left out: another backend has its name", s.name, b.Name, source.Kind)})
				continue
			}
			taken[b.Name] = true
			all = append(all, b)
		}
	}
	return all
}

// reloadedLocked is the configuration of a reload, with what the sources that it keeps
// have found.
func (ds *discovery) reloadedLocked(c ServiceConfig) ServiceConfig {
	maps.DeleteFunc(ds.found, func(name string, _ Discovered) bool { return !c.discovers(name) })
	c.Backends = ds.mergedLocked(c)
	return c
}

// awaitsLocked reports whether a source has neither answered nor failed yet: until then
// there may be backends.
func (ds *discovery) awaitsLocked() bool {
	return slices.ContainsFunc(ds.service.config().Discover, func(source DiscoverySource) bool {
		d := ds.found[source.Name].Source
		return d.At == nil && d.Error == ""
	})
}

func (ds *discovery) infoLocked() (all []DiscoveryInfo) {
	for _, source := range ds.service.config().Discover {
		d := ds.found[source.Name]
		d.Source.DiscoverySource, d.Source.Backends = source, len(d.Backends)
		all = append(all, d.Source)
	}
	return all
}

// withheldLocked reports whether an operator's act keeps a backend out that a source
// names: it was removed, or another was added with its name.
func (ds *discovery) withheldLocked(b *Backend, c BackendConfig, old ServiceConfig) bool {
	switch {
	case c.FoundBy == "":
		return false
	case b != nil:
		return b.added && b.cfg.Addr != c.Addr
	case slices.ContainsFunc(old.Backends, func(was BackendConfig) bool { return was.Name == c.Name && was.FoundBy != "" }):
		return true // an operator has removed it
	case ds.absent[c.Name].Removed != nil:
		delete(ds.absent, c.Name) // from now on it is in the configuration, but not in force
		return true
	}
	return false
}

// returnedLocked takes back a backend that its source names again while it is still
// draining; nil: there is none.
func (ds *discovery) returnedLocked(c BackendConfig) *Backend {
	for _, b := range ds.service.backends.all {
		if c.FoundBy != "" && b.name == c.Name && b.cfg.Addr == c.Addr && b.removing && b.retired {
			b.removing, b.retired = false, false
			if h := b.holds[holdOperator]; h != nil && h.retire {
				b.setHoldLocked(holdOperator, nil)
			}
			return b
		}
	}
	return nil
}

// rememberLocked keeps what operators have set for a backend that its source no longer
// names, in case it returns.
func (ds *discovery) rememberLocked(b *Backend) {
	if b.cfg.FoundBy == "" {
		return
	}
	sb := b.saved()
	if reflect.DeepEqual(sb, SavedBackend{}) {
		delete(ds.absent, b.name)
		return
	}
	ds.keepAbsentLocked(b.name, sb)
}

func (ds *discovery) keepAbsentLocked(name string, sb SavedBackend) {
	if ds.absent == nil {
		ds.absent = map[string]SavedBackend{}
	}
	ds.absent[name] = sb
}

// recallLocked applies what operators had set for a backend that is there (again).
func (ds *discovery) recallLocked(name string) {
	if sb, known := ds.absent[name]; known {
		delete(ds.absent, name)
		ds.service.backends.restoreLocked(name, sb)
	}
}

// RestoreDiscovered sets, before Start, the backends that sources had found
// before a restart, by service. They are in force, with their age, until the
// sources answer.
func (h Handover) RestoreDiscovered(found map[string][]Discovered) {
	for _, s := range h.engine.all() {
		for _, d := range found[s.name] {
			for i, b := range d.Backends {
				d.Backends[i] = b.withDefaults()
			}
		}
		s.queue.Update(func() { s.discovery.adoptLocked(found[s.name]) })
	}
}

// adoptLocked starts, before Start, with what the previous engine had found.
func (ds *discovery) adoptLocked(all []Discovered) {
	s := ds.service
	c := *s.config()
	ds.found = map[string]Discovered{}
	for _, d := range all {
		if c.discovers(d.Source.Name) {
			ds.found[d.Source.Name] = d
		}
	}
	c.Backends = ds.mergedLocked(c)
	s.cfg.Store(&c)
	for _, b := range c.Backends {
		if b.FoundBy != "" {
			s.backends.all = append(s.backends.all, newBackend(s, b))
		}
	}
}
