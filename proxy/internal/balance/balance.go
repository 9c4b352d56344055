// Package balance chooses one of several backends that may all serve: pure
// policies over a name, a weight and how many sessions each has.
package balance

import (
	"math"
	"math/rand/v2"
	"net/netip"
)

// Backend is what a policy knows of one. It belongs to the caller of Pick, which
// sets the fields before it; the zero value but for a Share is one that has no
// session.
type Backend struct {
	Name   string
	Weight int   // that is configured; for Source, whose clients stay
	Share  int64 // of new sessions, beside the others': the weight, less while it starts slowly
	Active int   // sessions

	credit int64 // of RoundRobin
}

// lessLoaded compares sessions per unit of share. The caller keeps the products far
// from an overflow.
func (b *Backend) lessLoaded(than *Backend) bool {
	return int64(b.Active)*than.Share < int64(than.Active)*b.Share
}

// Policy picks a backend for a client. It is never called with none, nor by two
// at a time; the address of a client without one is the zero value.
type Policy interface {
	Pick(from []*Backend, client netip.Addr) *Backend
}

// Names are the policies that there are.
var Names = []string{"random", "roundrobin", "leastconn", "p2c", "source", "first"}

// New makes the policy of a name; nil: there is none.
func New(name string) Policy {
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

// random is weighted, and the default: it needs no state.
type random struct{}

func (random) Pick(from []*Backend, _ netip.Addr) *Backend {
	sum := int64(0)
	for _, b := range from {
		sum += b.Share
	}
	n := rand.Int64N(sum)
	for _, b := range from {
		if n -= b.Share; n < 0 {
			return b
		}
	}
	return from[0]
}

// roundRobin is nginx's smooth variant: 5, 1, 1 gives a a b a c a a, not a a a a a b c.
type roundRobin struct{}

func (roundRobin) Pick(from []*Backend, _ netip.Addr) *Backend {
	sum, best := int64(0), from[0]
	for _, b := range from {
		b.credit += b.Share
		sum += b.Share
		if b.credit > best.credit {
			best = b
		}
	}
	best.credit -= sum
	return best
}

// leastConn counts sessions per unit of weight. Ties are broken at random, or the first
// backend would get every single session.
type leastConn struct{}

func (leastConn) Pick(from []*Backend, _ netip.Addr) *Backend {
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

// p2c takes the better of two at random: almost as even as leastConn, and it does not
// send a herd of clients to a backend that has just come back.
type p2c struct{}

func (p2c) Pick(from []*Backend, client netip.Addr) *Backend {
	a := random{}.Pick(from, client)
	b := random{}.Pick(from, client)
	if b.lessLoaded(a) {
		return b
	}
	return a
}

// source sends a client's address to the same backend while that serves: rendezvous
// hashing, so that a backend that goes moves no clients of the others.
type source struct{}

func (source) Pick(from []*Backend, client netip.Addr) *Backend {
	var best *Backend
	most := math.Inf(-1)
	addr := client.As16()
	for _, b := range from {
		// The highest of w / -ln(u) wins, in proportion to the weights.
		u := (float64(rendezvous(addr[:], b.Name)>>11) + 0.5) / (1 << 53)
		if score := float64(b.Weight) / -math.Log(u); score > most {
			best, most = b, score
		}
	}
	return best
}

// rendezvous is FNV-1a with MurmurHash3's finalizer, which spreads the few bits in
// which neighbours differ. It is the same on every node and after every restart.
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

// first fills backends in the order of the configuration: with max_sessions, as few as
// possible are in use.
type first struct{}

func (first) Pick(from []*Backend, _ netip.Addr) *Backend { return from[0] }
