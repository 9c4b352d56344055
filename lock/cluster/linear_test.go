package cluster

import (
	"math"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
)

// porcupineEvery: the history of one in so many seeds is checked by porcupine.
const porcupineEvery = 10

// An operation on a lock as its clients see it: to get a slot, or to give it back.
type operation struct {
	acquire bool
	rank    int // position of its token among those that clients have seen
	slots   int
}

// lockModel is a lock of n slots that hands out tokens in order: what the cluster must
// look like from outside.
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

// linearizable checks the history of each service: some order of all operations, each
// at a moment between its begin and its end, must be possible for a lock in one
// process.
func (c *checker) linearizable() {
	for _, sv := range c.truth.services {
		if c.bound(sv.name).shared {
			continue // its tokens have no order, so only the number of live sessions can be checked
		}
		if ops := c.history(sv.name); !porcupine.CheckOperations(lockModel, ops) {
			c.failf("the history of %s is impossible for a lock", sv.name)
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
	// Where the number of slots changed meanwhile, the highest number counts.
	return history(had, int(c.most[service]))
}

// history makes operations of the clients' slots, each identified by its token.
func history(had []acquired, slots int) (ops []porcupine.Operation) {
	slices.SortFunc(had, func(a, b acquired) int { return int(a.token) - int(b.token) })
	for i, a := range had {
		ops = append(ops, porcupine.Operation{ClientId: i, Input: operation{true, i, slots}, Call: int64(a.call), Return: int64(a.from)})
		if a.released {
			// A slot may be free as soon as its session has ended, and nothing shows
			// when the release took effect: it has no end.
			ops = append(ops, porcupine.Operation{ClientId: i, Input: operation{false, i, slots}, Call: int64(a.to), Return: math.MaxInt64 / 2})
		}
	}
	return ops
}

// TestLinearizability: porcupine accepts what a lock can do, and rejects what it cannot.
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
