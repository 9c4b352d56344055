package cluster

import "slices"

// A run is consecutive waiters of one node: the arrivals from to to, the first of which
// has the place at in the order over all nodes. A thousand clients that came while no
// other node had any are one run.
type run struct{ from, to, at uint64 }

func (r run) len() uint64 { return r.to - r.from + 1 }

// A line is the waiters of one node, in order of place. The order over all nodes is
// found by comparing the heads of the lines.
type line struct {
	node   NodeID
	joined uint64 // highest arrival that ever joined under the node's lease
	unable bool   // the node cannot serve now, but its waiters keep their places
	runs   []run
}

// len returns how many arrivals wait.
func (l *line) len() (n uint64) {
	for _, r := range l.runs {
		n += r.len()
	}
	return n
}

// append adds the arrivals from to to at the end.
func (l *line) append(from, to, at uint64) {
	l.joined = to
	if n := len(l.runs); n > 0 {
		last := &l.runs[n-1]
		if last.to+1 == from && last.at+last.len() == at {
			last.to = to
			return
		}
	}
	l.runs = append(l.runs, run{from, to, at})
}

// find returns the index of the run that has arrival, or where to insert one.
func (l *line) find(arrival uint64) (int, bool) {
	return slices.BinarySearchFunc(l.runs, arrival, func(r run, a uint64) int {
		switch {
		case r.to < a:
			return -1
		case r.from > a:
			return 1
		}
		return 0
	})
}

// remove removes arrival and returns its place, or false if it does not wait.
func (l *line) remove(arrival uint64) (at uint64, ok bool) {
	i, ok := l.find(arrival)
	if !ok {
		return 0, false
	}
	r := l.runs[i]
	at = r.at + arrival - r.from
	before := run{r.from, arrival - 1, r.at}
	after := run{arrival + 1, r.to, at + 1}
	switch {
	case r.from == r.to:
		l.runs = slices.Delete(l.runs, i, i+1)
	case arrival == r.from:
		l.runs[i] = after
	case arrival == r.to:
		l.runs[i] = before
	default:
		l.runs[i] = before
		l.runs = slices.Insert(l.runs, i+1, after)
	}
	return at, true
}

// insert puts arrival back to its old place. Arrivals and places grow together within a
// line, so that one search finds both.
func (l *line) insert(arrival, at uint64) {
	i, found := l.find(arrival)
	if found {
		return
	}
	l.runs = slices.Insert(l.runs, i, run{arrival, arrival, at})
	l.merge(i)
	if i > 0 {
		l.merge(i - 1)
	}
}

// merge joins run i and the next one, if nothing is missing between them.
func (l *line) merge(i int) {
	if i+1 < len(l.runs) {
		a, b := l.runs[i], l.runs[i+1]
		if a.to+1 == b.from && a.at+a.len() == b.at {
			l.runs[i].to = b.to
			l.runs = slices.Delete(l.runs, i+1, i+2)
		}
	}
}
