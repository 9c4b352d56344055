package proxy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Saved is what operators changed at backends, by service and backend, for the
// next engine (rule 13). Its JSON is meant for people, too.
type Saved map[string]map[string]SavedBackend

// SavedBackend is what operators changed at one backend.
type SavedBackend struct {
	Admin      string        `json:"admin,omitempty"` // drain or maint
	Weight     *int          `json:"weight,omitempty"`
	FileWeight int           `json:"file_weight,omitempty"` // that was configured when Weight took its place
	Added      *SavedAddress `json:"added,omitempty"`       // the configuration does not have it
	Removed    *SavedAddress `json:"removed,omitempty"`     // the configuration has it, like this
	By         string        `json:"by,omitempty"`
	Reason     string        `json:"reason,omitempty"`
}

// SavedAddress is a BackendConfig without its name, for JSON.
type SavedAddress struct {
	Addr                string   `json:"addr"`
	Weight              int      `json:"weight"` // 0 is none
	Priority            int      `json:"priority,omitempty"`
	MaxSessions         int      `json:"max_sessions,omitempty"`
	CheckPort           int      `json:"check_port,omitempty"`
	Restart             []string `json:"restart,omitempty"`
	ReadyTimeoutSeconds float64  `json:"ready_timeout_seconds,omitempty"`

	TLS *BackendTLS `json:"tls,omitempty"`
}

// saved returns the saved form of a backend with its defaults.
func (c BackendConfig) saved() *SavedAddress {
	return &SavedAddress{Addr: c.Addr, Weight: c.Weight, Priority: c.Priority, MaxSessions: c.MaxSessions, CheckPort: c.CheckPort,
		Restart: append([]string(nil), c.Restart...), ReadyTimeoutSeconds: c.ReadyTimeout.Seconds(), TLS: c.TLS}
}

func (a *SavedAddress) config(name string) BackendConfig {
	return BackendConfig{Name: name, Addr: a.Addr, Weight: cmp.Or(a.Weight, -1), Priority: a.Priority, MaxSessions: a.MaxSessions,
		CheckPort: a.CheckPort, Restart: a.Restart, ReadyTimeout: durationOf(a.ReadyTimeoutSeconds), TLS: a.TLS}.withDefaults()
}

// durationOf converts seconds; a number that is too large, or NaN, becomes longer than
// LongestDuration, which Validate refuses.
func durationOf(seconds float64) time.Duration {
	if !(math.Abs(seconds) <= LongestDuration.Seconds()) {
		return LongestDuration + 1
	}
	return time.Duration(math.Round(seconds * 1e9))
}

// Aspect is a part of a backend's state that is saved independently of the
// others.
type Aspect string

// The aspects.
const (
	AspectAdmin    Aspect = "admin"
	AspectWeight   Aspect = "weight"
	AspectPresence Aspect = "presence" // that it was added, or removed
)

// ReadSaved parses the JSON of a Saved, which people may have edited. It skips
// invalid values and returns a sentence about each in bad; the error is for text
// that is not JSON.
func ReadSaved(text []byte) (all Saved, bad []string, err error) {
	var services map[string]json.RawMessage
	if err := json.Unmarshal(text, &services); err != nil {
		return nil, nil, err
	}
	all = Saved{}
	for _, service := range slices.Sorted(maps.Keys(services)) {
		var backends map[string]json.RawMessage
		if json.Unmarshal(services[service], &backends) != nil {
			bad = append(bad, fmt.Sprintf("all of %s is forgotten: it is not a table of backends", service))
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(backends)) {
			var fields map[string]json.RawMessage
			if json.Unmarshal(backends[name], &fields) != nil {
				bad = append(bad, fmt.Sprintf("%s/%s is forgotten: it is not a table", service, name))
				continue
			}
			var sb SavedBackend
			for _, field := range slices.Sorted(maps.Keys(fields)) {
				with := sb // a failure half-way would leave a zero behind
				one, _ := json.Marshal(map[string]json.RawMessage{field: fields[field]})
				if json.Unmarshal(one, &with) != nil {
					bad = append(bad, fmt.Sprintf("%s/%s: its %s is forgotten: it cannot be %.40s", service, name, field, fields[field]))
					continue
				}
				sb = with
			}
			all.set(service, name, sb)
		}
	}
	return all, bad, nil
}

// Save returns all operators' changes that are in force.
func (h Handover) Save() Saved {
	e := h.engine
	all := Saved{}
	for _, s := range e.allInForce() {
		s.queue.View(func() {
			for _, b := range s.backends.all {
				if !b.removing {
					all.set(s.name, b.name, b.saved())
				}
			}
			for _, c := range s.config().Backends {
				if b := s.backends.byNameLocked(c.Name); b == nil || b.added {
					sb := all[s.name][c.Name]
					sb.Removed = c.saved()
					all.set(s.name, c.Name, sb)
				}
			}
			for name, sb := range s.discovery.absent {
				if s.backends.byNameLocked(name) == nil {
					all.set(s.name, name, sb)
				}
			}
		})
	}
	return all
}

func (b *Backend) saved() (sb SavedBackend) {
	if h := b.holds[holdOperator]; h != nil {
		sb.Admin, sb.By, sb.Reason = h.state, h.by, h.reason
	}
	if b.weight != b.cfg.Weight {
		weight := b.weight
		sb.Weight, sb.FileWeight = &weight, b.cfg.Weight
	}
	if b.added {
		sb.Added = b.cfg.saved()
	}
	return sb
}

// set stores nothing if nothing was done.
func (all Saved) set(service, name string, sb SavedBackend) {
	if reflect.DeepEqual(sb, SavedBackend{}) {
		delete(all[service], name)
		if len(all[service]) == 0 {
			delete(all, service)
		}
		return
	}
	if all[service] == nil {
		all[service] = map[string]SavedBackend{}
	}
	all[service][name] = sb
}

// Keep copies one aspect of a backend from now, which Save returned, and leaves
// the other aspects as they were. A backend that was added or removed starts
// afresh.
func (all Saved) Keep(what Aspect, service, name string, now Saved) {
	sb, is := all[service][name], now[service][name]
	switch what {
	case AspectAdmin:
		sb.Admin, sb.By, sb.Reason = is.Admin, is.By, is.Reason
	case AspectWeight:
		sb.Weight, sb.FileWeight = is.Weight, is.FileWeight
	case AspectPresence:
		sb = SavedBackend{Added: is.Added, Removed: is.Removed}
		if is.Removed != nil && is.Admin == "" {
			sb.By, sb.Reason = is.By, is.Reason
		}
	}
	if is.Removed == nil {
		sb.Removed = nil // the removal was undone
	}
	all.set(service, name, sb)
}

// Reconcile removes from all what the configuration has changed since it was
// saved, because the configuration wins. It returns a sentence for each.
func (h Handover) Reconcile(all Saved) (gone []string) {
	e := h.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, service := range slices.Sorted(maps.Keys(all)) {
		s := e.findLocked(service)
		if s == nil {
			gone = append(gone, "all of "+service+" is forgotten: the file does not have that service")
			delete(all, service)
			continue
		}
		file, discovers := s.config().Backends, len(s.config().Discover) > 0
		for _, name := range slices.Sorted(maps.Keys(all[service])) {
			sb := all[service][name]
			for _, text := range sb.reconcile(name, file, discovers) {
				gone = append(gone, service+"/"+name+": "+text)
			}
			all.set(service, name, sb)
		}
	}
	return gone
}

// reconcile checks one backend, of which the file may have an entry. With sources that
// discover backends, it may still appear.
func (sb *SavedBackend) reconcile(name string, file []BackendConfig, discovers bool) (gone []string) {
	say := func(format string, args ...any) { gone = append(gone, fmt.Sprintf(format, args...)) }
	var entry *SavedAddress
	if i := slices.IndexFunc(file, func(c BackendConfig) bool { return c.Name == name }); i >= 0 {
		entry = file[i].saved()
		discovers = discovers && file[i].FoundBy != "" // otherwise it is the file's, which wins
	}
	if sb.Removed != nil && !reflect.DeepEqual(sb.Removed, entry) && !discovers {
		if entry != nil {
			say("its removal is forgotten: the file has changed it since")
		}
		sb.Removed = nil
	}
	if sb.Added != nil && entry != nil && sb.Removed == nil {
		if !reflect.DeepEqual(sb.Added, entry) {
			say("that it was added at %s is forgotten: the file has it at %s", sb.Added.Addr, entry.Addr)
		}
		sb.Added = nil
	}
	if sb.Added != nil {
		if err := cmp.Or(ValidateWeight(sb.Added.Weight), sb.Added.config(name).Validate()); err != nil {
			say("it is not added: %v", err)
			sb.Added = nil
		}
	}
	there := entry
	if sb.Removed != nil || sb.Added != nil {
		there = sb.Added
	}
	gone = append(gone, sb.reconcileState(there, discovers)...)
	if err := ValidateNote("reason", sb.Reason); err != nil {
		say("why is forgotten: %v", err)
		sb.Reason = ""
	}
	if sb.Admin == "" && sb.Removed == nil {
		sb.By, sb.Reason = "", ""
	}
	return gone
}

// reconcileState checks the admin state and the weight. there is the backend as it will
// be, or nil.
func (sb *SavedBackend) reconcileState(there *SavedAddress, discovers bool) (gone []string) {
	say := func(format string, args ...any) { gone = append(gone, fmt.Sprintf(format, args...)) }
	switch {
	case sb.Admin == "":
	case sb.Admin != AdminDrain && sb.Admin != AdminMaint:
		say("the admin state %q is forgotten: it is not one", sb.Admin)
		sb.Admin = ""
	case there == nil && !discovers:
		say("%s is forgotten: the file does not have it", sb.Admin)
		sb.Admin = ""
	}
	switch {
	case sb.Weight == nil:
	case ValidateWeight(*sb.Weight) != nil:
		say("the weight is forgotten: %v", ValidateWeight(*sb.Weight))
		sb.Weight = nil
	case there == nil && discovers:
	case there == nil:
		say("the weight %d is forgotten: the file does not have it", *sb.Weight)
		sb.Weight = nil
	case there.Weight != sb.FileWeight && !discovers:
		say("the weight %d is forgotten: the file has changed it from %d to %d", *sb.Weight, sb.FileWeight, there.Weight)
		sb.Weight = nil
	}
	if sb.Weight == nil {
		sb.FileWeight = 0
	}
	return gone
}

// Restore applies saved changes before Start, without those that the
// configuration has changed since: there the configuration wins, with a warning.
func (h Handover) Restore(all Saved) {
	e := h.engine
	for _, text := range h.Reconcile(all) {
		e.note(Event{Kind: EventAdmin, Level: LevelWarn, Text: text})
	}
	for service, backends := range all {
		s := e.Service(service)
		for _, name := range slices.Sorted(maps.Keys(backends)) {
			sb := backends[name]
			s.queue.Update(func() { s.backends.restoreLocked(name, sb) })
			e.note(Event{Kind: EventAdmin, Service: service, Backend: name, By: sb.By, Text: "as before: " + sb.text(service+"/"+name)})
		}
	}
}

func (bs *backendSet) restoreLocked(name string, sb SavedBackend) {
	s := bs.service
	if sb.Removed != nil {
		bs.all = slices.DeleteFunc(bs.all, func(b *Backend) bool { return b.name == name })
	}
	if sb.Added != nil {
		b := newBackend(s, sb.Added.config(name))
		b.added = true
		bs.all = append(bs.all, b)
	}
	b := bs.byNameLocked(name)
	if b == nil {
		if len(s.config().Discover) > 0 && !slices.ContainsFunc(s.config().Backends, func(c BackendConfig) bool { return c.Name == name }) {
			s.discovery.keepAbsentLocked(name, sb) // it may still appear
		}
		return
	}
	if sb.Admin != "" {
		b.setHoldLocked(holdOperator, &hold{state: sb.Admin, by: sb.By, reason: sb.Reason, since: time.Now(), then: ThenKeep})
	}
	if sb.Weight != nil {
		b.weight = *sb.Weight
	}
}

// text says what was done, in the words of the acts.
func (sb *SavedBackend) text(target string) string {
	var words []string
	if sb.Removed != nil {
		words = append(words, "removed")
	}
	if sb.Added != nil {
		words = append(words, "added at "+sb.Added.Addr)
	}
	if sb.Admin != "" {
		words = append(words, sb.Admin)
	}
	if sb.Weight != nil {
		words = append(words, fmt.Sprintf("weight %d", *sb.Weight))
	}
	text := target + " " + strings.Join(words, ", ")
	if sb.Reason != "" {
		text += fmt.Sprintf(": %q", sb.Reason)
	}
	return text
}
