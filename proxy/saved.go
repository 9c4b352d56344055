package proxy

import (
	"fmt"
	"time"
)

// Saved is what operators have done to backends that is to last over a
// restart (rule 13): by service, by backend.
type Saved map[string]map[string]SavedBackend

// SavedBackend is one backend's part of it.
type SavedBackend struct {
	Admin      string         `json:"admin,omitempty"` // drain or maint
	Weight     *int           `json:"weight,omitempty"`
	FileWeight int            `json:"file_weight"` // that the file had then: a later edit wins
	Added      *BackendConfig `json:"added,omitempty"`
	By         string         `json:"by,omitempty"`
	Reason     string         `json:"reason,omitempty"`
}

// Save tells what is to be saved.
func (e *Engine) Save() Saved {
	all := Saved{}
	for _, s := range e.all() {
		s.queue.View(func() {
			for _, b := range s.backends {
				if b.removing {
					continue
				}
				sb := SavedBackend{FileWeight: b.cfg.Weight}
				if h := b.holds[holdOperator]; h != nil {
					sb.Admin, sb.By, sb.Reason = h.state, h.by, h.reason
				}
				if b.weight != b.cfg.Weight {
					weight := b.weight
					sb.Weight = &weight
				}
				if b.added {
					added := b.cfg
					sb.Added = &added
				}
				if sb.Admin == "" && sb.Weight == nil && sb.Added == nil {
					continue
				}
				if all[s.name] == nil {
					all[s.name] = map[string]SavedBackend{}
				}
				all[s.name][b.name] = sb
			}
		})
	}
	return all
}

// Restore brings back what was saved, before Start. Where the file has changed
// a weight since, the file wins, and that is said.
func (e *Engine) Restore(all Saved) {
	for service, backends := range all {
		s := e.Service(service)
		if s == nil {
			continue
		}
		for name, sb := range backends {
			s.queue.Update(func() { s.restore(name, sb) })
		}
	}
}

func (s *Service) restore(name string, sb SavedBackend) {
	b := s.backend(name)
	if b == nil && sb.Added != nil {
		c := sb.Added.withDefaults()
		if c.validate() != nil {
			return
		}
		b = newBackend(s, c)
		b.added = true
		s.backends = append(s.backends, b)
	}
	if b == nil {
		return // the file has it no more
	}
	if sb.Admin == AdminDrain || sb.Admin == AdminMaint {
		b.setHold(holdOperator, &hold{state: sb.Admin, by: sb.By, reason: sb.Reason, since: time.Now(), then: ThenKeep})
	}
	switch {
	case sb.Weight == nil:
	case b.cfg.Weight == sb.FileWeight:
		b.weight = *sb.Weight
	default:
		s.engine.Note(Event{Kind: EventAdmin, Level: LevelWarn, Service: s.name, Backend: b.name,
			Text: fmt.Sprintf("the saved weight %d of %s is not used: the file has changed it to %d since", *sb.Weight, b.target(), b.cfg.Weight)})
	}
}
