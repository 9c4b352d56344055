package config

import (
	"fmt"
	"slices"
)

func diffService(old, new *Service) (all []Change) {
	for _, c := range compare(old.keys(), new.keys()) {
		c.Service = new.Name
		c.Text = fmt.Sprintf("service %q: %s %s", new.Name, c.Key, c.fromTo())
		if c.Key == "listen" {
			c.Reopens = true
			c.Text += ": no client is refused at an address that stays, whichever service had it; waiters and sessions stay"
		}
		all = append(all, c)
	}
	return append(all, diffBackends(old, new)...)
}

// diffBackends compares backends by name: one with another name is another backend.
func diffBackends(old, new *Service) (all []Change) {
	names := func(s *Service) (all []string) {
		for _, b := range s.Backends {
			all = append(all, b.Name)
		}
		return all
	}
	was, is := names(old), names(new)
	for i, name := range is {
		c := Change{What: Added, Service: new.Name, Backend: name}
		b := new.Backends[i]
		o := slices.Index(was, name)
		if o < 0 {
			c.Text = fmt.Sprintf("service %q: backend %q (%s) is new: it gets clients once its checks are good", c.Service, name, b.Addr+b.DNS)
			all = append(all, c)
			continue
		}
		for _, k := range compare(old.Backends[o].keys(), b.keys()) {
			k.Service, k.Backend = c.Service, name
			k.Text = fmt.Sprintf("service %q: backend %q: %s %s", c.Service, name, k.Key, k.fromTo())
			all = append(all, k)
		}
	}
	for _, name := range was {
		if !slices.Contains(is, name) {
			all = append(all, Change{What: Removed, Service: new.Name, Backend: name,
				Text: fmt.Sprintf("service %q: backend %q is gone: it drains, then is removed", new.Name, name)})
		}
	}
	// For balance = "first" the order of the remaining ones matters.
	common := func(s, of []string) []string {
		return slices.DeleteFunc(slices.Clone(s), func(n string) bool { return !slices.Contains(of, n) })
	}
	if !slices.Equal(common(was, is), common(is, was)) {
		all = append(all, Change{What: Changed, Service: new.Name, Key: "backends", Old: literal(was), New: literal(is),
			Text: fmt.Sprintf("service %q: its backends stand in another order", new.Name)})
	}
	return all
}
