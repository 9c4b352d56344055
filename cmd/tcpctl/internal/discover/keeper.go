package discover

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/proxy"
)

// keepEvery is how often the time of an unchanged set is updated in the file.
const keepEvery = time.Minute

// keeper saves the sources' sets in force to a file, so that a process that starts while a source
// is down begins with the last good set. A nil keeper saves nothing.
type keeper struct {
	path string
	warn func(error)

	mu      sync.Mutex // held while the file is written
	sets    map[string]map[string]keptSet
	written time.Time
	failed  bool // the last write failed
}

// keptSet is one source's set in force, as saved in the file.
type keptSet struct {
	From     string        `json:"from"` // the query: answers to another one are of no use
	At       time.Time     `json:"at"`   // of the last answer
	Backends []keptBackend `json:"backends"`
}

// keptBackend is what a source can say about a backend. The rest comes from the configuration.
type keptBackend struct {
	Name        string `json:"name"`
	Addr        string `json:"addr"`
	Weight      int    `json:"weight"` // -1: none
	Priority    int    `json:"priority,omitempty"`
	MaxSessions int    `json:"max_sessions,omitempty"`
	CheckPort   int    `json:"check_port,omitempty"`
	TLSName     string `json:"tls_name,omitempty"`
}

// Keep keeps in a file what is in force, from now on; warn gets what is wrong
// with it. It is to be called before Restore and Set.
func (m *Manager) Keep(path string, warn func(error)) {
	m.keep = &keeper{path: path, warn: warn, sets: map[string]map[string]keptSet{}}
}

// Restore gives the engine, before its Start, what the file has of the sources
// of specs, by service. A file that cannot be read is as good as none.
func (m *Manager) Restore(specs map[string][]Spec) {
	if m.keep == nil {
		return
	}
	kept, err := m.keep.read()
	if err != nil {
		m.keep.warn(fmt.Errorf("what sources found before the restart cannot be read: %w", err))
		return
	}
	found := map[string][]proxy.Discovered{}
	for service, all := range specs {
		for i := range all {
			s := &all[i]
			k, ok := kept[service][s.Name]
			if !ok || k.From != s.asks() || len(k.Backends) == 0 {
				continue
			}
			set, err := k.set(s, m.engine.Service(service))
			if err != nil {
				m.keep.warn(fmt.Errorf("%s: what %s found before the restart cannot be used: %w", service, s.Asked(), err))
				continue
			}
			m.keep.setLocked(key{service, s.Name}, k)
			found[service] = append(found[service], proxy.Discovered{Source: set.info(s), Backends: set.Backends})
		}
	}
	if len(found) > 0 {
		proxy.HandoverOf(m.engine).RestoreDiscovered(found)
	}
}

// asks returns the query: all that determines the answer.
func (s *Spec) asks() string {
	text, _ := json.Marshal([]any{s.From, s.Run, s.Server})
	return string(text)
}

// set converts a saved set, with what the current configuration adds to it.
func (k *keptSet) set(s *Spec, svc *proxy.Service) (set Set, err error) {
	var found []proxy.BackendConfig
	for _, b := range k.Backends {
		c := proxy.BackendConfig{Name: b.Name, Addr: b.Addr, Weight: b.Weight, Priority: b.Priority, MaxSessions: b.MaxSessions, CheckPort: b.CheckPort}
		if b.TLSName != "" {
			c.TLS = &proxy.BackendTLS{Name: b.TLSName}
		}
		found = append(found, c)
	}
	set.At = k.At
	if set.Backends, err = complete(found, s.Backend, s.Kind()); err == nil {
		err = svc.CheckAdded(set.Backends...)
	}
	return set, err
}

// put saves a source's set in force.
func (k *keeper) put(of key, s *Spec, set *Set) {
	if k == nil || set.At.IsZero() {
		return
	}
	next := keptSet{From: s.asks(), At: set.At, Backends: []keptBackend{}}
	for _, b := range set.Backends {
		one := keptBackend{Name: b.Name, Addr: b.Addr, Weight: b.Weight, Priority: b.Priority, MaxSessions: b.MaxSessions, CheckPort: b.CheckPort}
		if b.TLS != nil && b.TLS.Name != cmp.Or(s.Backend.TLS, &proxy.BackendTLS{}).Name {
			one.TLSName = b.TLS.Name
		}
		next.Backends = append(next.Backends, one)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.sets[of.service][of.source]
	k.setLocked(of, next)
	was.At = next.At
	if !reflect.DeepEqual(was, next) || time.Since(k.written) >= keepEvery {
		k.writeLocked()
	}
}

func (k *keeper) setLocked(of key, s keptSet) {
	if k.sets[of.service] == nil {
		k.sets[of.service] = map[string]keptSet{}
	}
	k.sets[of.service][of.source] = s
}

// only forgets sources that no longer exist.
func (k *keeper) only(want map[key]Spec) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	gone := false
	for service, sets := range k.sets {
		for source := range sets {
			if _, stays := want[key{service, source}]; !stays {
				delete(sets, source)
				gone = true
			}
		}
		if len(sets) == 0 {
			delete(k.sets, service)
		}
	}
	if gone {
		k.writeLocked()
	}
}

// writeLocked writes the file, or removes it if there is nothing to save. A failure is reported
// once.
func (k *keeper) writeLocked() {
	k.written = time.Now()
	err := error(nil)
	if len(k.sets) == 0 {
		if err = os.Remove(k.path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		text, _ := json.MarshalIndent(k.sets, "", "  ")
		err = statedir.Replace(k.path, append(text, '\n'))
	}
	if err != nil && !k.failed {
		k.warn(fmt.Errorf("what sources find cannot be kept for a restart: %w", err))
	}
	k.failed = err != nil
}

// maxKept bounds the file, in bytes.
const maxKept = 64 << 20

// read returns what the file has; nothing if there is no file.
func (k *keeper) read() (sets map[string]map[string]keptSet, err error) {
	text, err := fileerror.Read(k.path, maxKept)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &sets)
	}
	return sets, err
}
