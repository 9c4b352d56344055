package cluster

import (
	"math"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
)

// porcupineEvery is of how many seeds one has its history checked by porcupine.
const porcupineEvery = 10

// An operation on a lock as its clients see it: to get a slot, or to give it back.
type operation struct {
	acquire bool
	rank    int // of its token among those that clients have seen
	slots   int
}

// lockModel is a lock of n slots that hands tokens out in order: the whole of what
// the cluster has to look like from outside.
var lockModel = porcupine.Model{
	Init: func() any { return [2]int{} }, // holders, next rank
	Step: func(state, input, _ any) (bool, any) {
		s, op := state.([2]int), input.(operation)
		if !op.acquire {
			return s[0] > 0, [2]int{s[0] - 1, s[1]}
		}
		return op.rank == s[1] && s[0] < op.slots, [2]int{s[0] + 1, s[1] + 1}
	},
}

// linearizable checks the history of each service: there is an order of all that
// clients did, each at a moment between its begin and its end, that a lock in one
// process could have had.
func (c *checker) linearizable() {
	for _, sv := range c.truth.services {
		if c.bound(sv.name).shared {
			continue // its tokens have no order, and without one that never too many are live is all there is
		}
		if ops := c.history(sv.name); !porcupine.CheckOperations(lockModel, ops) {
			c.failf("the history of %s is not one that a lock has", sv.name)
		}
	}
}

func (c *checker) history(service string) []porcupine.Operation {
	var had []acquired
	for _, cl := range c.clients {
		if cl.queue.name == service {
			had = append(had, cl.acquired...)
		}
	}
	// Where the number of slots changed meanwhile, the highest counts.
	return history(had, int(c.most[service]))
}

// history is of what clients had, each by its token.
func history(had []acquired, slots int) (ops []porcupine.Operation) {
	slices.SortFunc(had, func(a, b acquired) int { return int(a.token) - int(b.token) })
	for i, a := range had {
		ops = append(ops, porcupine.Operation{ClientId: i, Input: operation{true, i, slots}, Call: int64(a.call), Return: int64(a.from)})
		if a.released {
			// A slot may be free as soon as its session has ended: what is seen of
			// the release at once is nothing, so that it has no end.
			ops = append(ops, porcupine.Operation{ClientId: i, Input: operation{false, i, slots}, Call: int64(a.to), Return: math.MaxInt64 / 2})
		}
	}
	return ops
}

// TestLinearizability: porcupine takes what a lock does, and finds what it cannot do.
func TestLinearizability(t *testing.T) {
	for _, h := range []struct {
		what string
		ok   bool
		had  []acquired
	}{
		{"one after the other", true, []acquired{{1, 0, 10, 20, true}, {2, 5, 21, 30, true}}},
		{"two at a time", false, []acquired{{1, 0, 10, 40, true}, {2, 5, 21, 30, true}}},
		{"never given back", false, []acquired{{1, 0, 10, 0, false}, {2, 5, 21, 30, true}}},
		{"tokens out of order", false, []acquired{{2, 0, 10, 20, true}, {1, 15, 21, 30, true}}},
	} {
		if ok := porcupine.CheckOperations(lockModel, history(h.had, 1)); ok != h.ok {
			t.Errorf("%s: linearizable is %t", h.what, ok)
		}
	}
}
