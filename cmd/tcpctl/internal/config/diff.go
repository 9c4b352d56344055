package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
)

// What a Change says has happened.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is one thing that a reload would change: a key of a service or of another
// table, or, without Key, a backend or a service as a whole.
type Change struct {
	What    string `json:"what"` // added, removed or changed
	Service string `json:"service,omitempty"`
	Backend string `json:"backend,omitempty"`
	Key     string `json:"key,omitempty"` // "queue.timeout", or "log.level" without a service
	Old     string `json:"old,omitempty"` // old value, as TOML; "" if the table did not exist
	New     string `json:"new,omitempty"`
	// Reopens is true for a change of listen: new addresses are opened, unused ones
	// are closed, and the others move between services.
	Reopens bool   `json:"reopens,omitempty"`
	Text    string `json:"text"` // the change as a sentence
}

// atStart are the tables that only take effect when an instance starts.
var atStart = []string{"control", "mesh", "cluster", "console"}

// Diff says what a reload from old to new would touch, in the order of new;
// nil when nothing. A key that is inherited counts for each service that does.
func Diff(old, new *File) (all []Change) {
	for i := range new.Services {
		n := &new.Services[i]
		if o := old.Service(n.Name); o == nil {
			all = append(all, Change{What: Added, Service: n.Name,
				Text: fmt.Sprintf("service %q is new: it listens on %s", n.Name, strings.Join(n.Listen, ", "))})
		} else if !reflect.DeepEqual(o, n) {
			all = append(all, diffService(o, n)...)
		}
	}
	for i := range old.Services {
		if name := old.Services[i].Name; new.Service(name) == nil {
			all = append(all, Change{What: Removed, Service: name,
				Text: fmt.Sprintf("service %q is gone: it takes no new clients, serves those who wait, then drains", name)})
		}
	}
	for _, c := range compare(old.others(), new.others()) {
		c.Text = c.Key + " " + c.fromTo()
		table, _, _ := strings.Cut(c.Key, ".")
		switch {
		case c.Key == "metrics.listen", c.Key == "console.ssh.listen":
			c.Reopens = true
			c.Text += ": the new address is opened, then the old one closed"
		case strings.HasPrefix(c.Key, "console.ssh."), c.Key == "cluster.voters":
		case slices.Contains(atStart, table):
			c.Text += " (at the next start)"
		}
		all = append(all, c)
	}
	return all
}

// Service finds a service by its name; nil when there is none.
func (f *File) Service(name string) *Service {
	for i := range f.Services {
		if f.Services[i].Name == name {
			return &f.Services[i]
		}
	}
	return nil
}

// others returns the leaves outside of services.
func (f *File) others() []leaf {
	g := *f
	g.Services = nil
	return slices.DeleteFunc(g.leaves(), inherited)
}

// Hash is short, and the same for files that mean the same: comments, the
// order of services, and whether a value was inherited do not matter.
func (f *File) Hash() string {
	all := slices.DeleteFunc(f.unusual(), inherited)
	sort.SliceStable(all, func(i, j int) bool { return all[i].path < all[j].path })
	h := sha256.New()
	for _, l := range all {
		h.Write([]byte(l.path + " = " + l.text + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// inherited reports whether a leaf belongs to [defaults], whose values services have as their own.
func inherited(l leaf) bool { return strings.HasPrefix(l.path, "defaults.") }
