package config

// keys returns the leaves of a service without those of its backends.
func (s *Service) keys() []leaf {
	c := *s
	c.Backends = nil
	w := &walk{}
	w.service("s", &c)
	return w.all
}

func (b Backend) keys() []leaf {
	w := &walk{prefix: "b."}
	w.backend("b", &b)
	return w.all
}

// compare returns the keys that differ. Those of a table that only one side has are added or
// removed.
func compare(old, new []leaf) (all []Change) {
	was := map[string]leaf{}
	for _, l := range old {
		was[l.key] = l
	}
	for _, l := range new {
		o, both := was[l.key]
		delete(was, l.key)
		switch {
		case l.table || both && o.text == l.text:
		case both:
			all = append(all, Change{What: Changed, Key: l.key, Old: o.text, New: l.text})
		default:
			all = append(all, Change{What: Added, Key: l.key, New: l.text})
		}
	}
	for _, l := range old { // in order, unlike the map
		if _, gone := was[l.key]; gone && !l.table {
			all = append(all, Change{What: Removed, Key: l.key, Old: l.text})
		}
	}
	return all
}

func (c Change) fromTo() string {
	switch c.What {
	case Added:
		return "is " + c.New + " now"
	case Removed:
		return "is gone (it was " + c.Old + ")"
	}
	return "from " + c.Old + " to " + c.New
}
