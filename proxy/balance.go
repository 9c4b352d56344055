package proxy

import (
	"math"
	"math/rand/v2"
	"net/netip"
)

// policy picks one of several backends that may all serve. Each policy is one
// small type; it is called with the queue locked, and never with none.
type policy interface {
	pick(from []*Backend, client netip.Addr) *Backend
}

var policyNames = []string{"random", "roundrobin", "leastconn", "p2c", "source", "first"}

func newPolicy(name string) policy {
	switch name {
	case "random":
		return random{}
	case "roundrobin":
		return roundRobin{}
	case "leastconn":
		return leastConn{}
	case "p2c":
		return p2c{}
	case "source":
		return source{}
	case "first":
		return first{}
	}
	return nil
}

// chooseLocked gives the backend for a session, nil and the reason why there
// is none. A lower priority number serves first; a full backend is waited for,
// not spilled over (rule 1).
func (s *Service) chooseLocked(sess *Session) (*Backend, Reason) {
	tier := math.MaxInt
	for _, b := range s.backends {
		if b.serves() && b.priority < tier {
			tier = b.priority
		}
	}
	if tier == math.MaxInt {
		return nil, ReasonNoBackend
	}
	free := s.candidates[:0]
	for _, b := range s.backends {
		if b.serves() && b.priority == tier && !b.full() && !sess.hasTried(b) {
			free = append(free, b)
		}
	}
	s.candidates = free
	switch len(free) {
	case 0:
		return nil, ReasonFull
	case 1:
		return free[0], ""
	}
	return s.policy.pick(free, sess.client.Remote().Addr()), ""
}

// random is weighted, and the default: it needs to know nothing.
type random struct{}

func (random) pick(from []*Backend, _ netip.Addr) *Backend {
	sum := int64(0)
	for _, b := range from {
		sum += b.share()
	}
	n := rand.Int64N(sum)
	for _, b := range from {
		if n -= b.share(); n < 0 {
			return b
		}
	}
	return from[0]
}

// roundRobin is nginx's smooth one: 5, 1, 1 gives a a b a c a a, not a a a a a b c.
type roundRobin struct{}

func (roundRobin) pick(from []*Backend, _ netip.Addr) *Backend {
	sum, best := int64(0), from[0]
	for _, b := range from {
		share := b.share()
		b.credit += share
		sum += share
		if b.credit > best.credit {
			best = b
		}
	}
	best.credit -= sum
	return best
}

// leastConn counts sessions for each unit of weight. Those that tie take
// turns at random, or the first would get every lone session.
type leastConn struct{}

func (leastConn) pick(from []*Backend, _ netip.Addr) *Backend {
	best, ties := from[0], 1
	for _, b := range from[1:] {
		switch {
		case b.lessLoaded(best):
			best, ties = b, 1
		case !best.lessLoaded(b):
			if ties++; rand.IntN(ties) == 0 {
				best = b
			}
		}
	}
	return best
}

// p2c takes the better of two at random: almost as even as leastConn, and it
// sends no herd to a backend that has just come back.
type p2c struct{}

func (p2c) pick(from []*Backend, client netip.Addr) *Backend {
	a := random{}.pick(from, client)
	b := random{}.pick(from, client)
	if b.lessLoaded(a) {
		return b
	}
	return a
}

// source sends a client's address to the same backend for as long as it
// serves: rendezvous hashing, so that the others keep theirs when one goes.
type source struct{}

func (source) pick(from []*Backend, client netip.Addr) *Backend {
	var best *Backend
	most := math.Inf(-1)
	addr := client.As16()
	for _, b := range from {
		// The highest of w / -ln(u) wins, in proportion to the weights.
		u := (float64(rendezvous(addr[:], b.name)>>11) + 0.5) / (1 << 53)
		if score := float64(b.weight) / -math.Log(u); score > most {
			best, most = b, score
		}
	}
	return best
}

// rendezvous is FNV-1a with MurmurHash3's last mix, which spreads the few
// bits in which neighbours differ. It is the same on every node and after
// every restart.
func rendezvous(addr []byte, name string) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range addr {
		h = (h ^ uint64(c)) * 1099511628211
	}
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// first fills backends in the order of the configuration: with max_sessions,
// as few as possible are in use.
type first struct{}

func (first) pick(from []*Backend, _ netip.Addr) *Backend { return from[0] }
