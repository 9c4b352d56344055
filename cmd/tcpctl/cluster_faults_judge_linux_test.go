package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// faultSeen is what one client has seen, in times of one clock.
type faultSeen struct {
	token           uint64
	call, got, free time.Duration
}

// A faultOp is an operation on the lock: to get a slot, or to give it back.
type faultOp struct {
	acquire bool
	rank    int // of its token among those that clients have seen
}

// faultModel is a lock of so many slots that hands tokens out in order. rank is that
// of the first token.
func faultModel(slots, rank int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return [2]int{0, rank} }, // holders, next rank
		Step: func(state, input, _ any) (bool, any) {
			s, op := state.([2]int), input.(faultOp)
			if !op.acquire {
				return s[0] > 0, [2]int{s[0] - 1, s[1]}
			}
			return op.rank == s[1] && s[0] < slots, [2]int{s[0] + 1, s[1] + 1}
		},
	}
}

// linearizable checks a history, ordered by token, in parts that overlap by half: the
// time that one takes grows faster than its length. It returns the first part that no
// lock in one process could have had.
func linearizable(all []faultSeen, slots int) error {
	const part = 400
	for from := 0; from == 0 || from < len(all); from += part / 2 {
		var ops []porcupine.Operation
		to := min(from+part, len(all))
		for i, v := range all[from:to] {
			ops = append(ops, porcupine.Operation{ClientId: i, Input: faultOp{true, from + i}, Call: int64(v.call), Return: int64(v.got)},
				// What is seen of a release at once is nothing: it has no end.
				porcupine.Operation{ClientId: i, Input: faultOp{false, from + i}, Call: int64(v.free), Return: math.MaxInt64 / 2})
		}
		if r := porcupine.CheckOperationsTimeout(faultModel(slots, from), ops, patience); r != porcupine.Ok {
			return fmt.Errorf("no lock could have had tokens %d to %d: %s; %s", all[from].token, all[to-1].token, r, tooMany(all[from:to], slots))
		}
	}
	return nil
}

// tooMany says of a history that is not linearizable which token had no slot, if each
// before it had its own as early as can be.
func tooMany(all []faultSeen, slots int) string {
	var held []faultSeen
	at := time.Duration(0)
	for _, v := range all {
		at = max(at, v.call)
		if len(held) == slots {
			first := slices.MinFunc(held, func(a, b faultSeen) int { return cmp.Compare(a.free, b.free) })
			at = max(at, first.free)
		}
		if at > v.got {
			return fmt.Sprintf("%+v while there are %+v", v, held)
		}
		held = append(slices.DeleteFunc(held, func(h faultSeen) bool { return h.free <= at }), v)
	}
	return ""
}

// overtaken counts those that were granted before a waiter whose place was committed
// before they came. seen is ordered by token.
func overtaken(seen []faultSeen, places []faultPlace) (pairs int, first error) {
	for _, p := range places {
		for _, v := range seen {
			if v.call <= p.committed {
				continue
			}
			if pairs++; v.token < p.token && first == nil {
				first = fmt.Errorf("token %d is of a client that came at %v, after the place of the one with token %d was committed at %v", v.token, v.call, p.token, p.committed)
			}
		}
	}
	return pairs, first
}

// judge looks at all that clients have seen.
func (l *faultLab) judge() string {
	l.mu.Lock()
	seen, places := l.history, l.places
	l.mu.Unlock()
	slices.SortFunc(seen, func(a, b faultSeen) int { return cmp.Compare(a.token, b.token) })
	for i := range seen[1:] {
		if seen[i].token == seen[i+1].token {
			l.wrongf("two clients have seen token %d", seen[i].token)
		}
	}
	lin := "porcupine ok"
	if err := linearizable(seen, l.slots); err != nil {
		l.wrongf("%v", err)
		lin = err.Error()
	}
	pairs, err := overtaken(seen, places)
	if err != nil {
		l.wrongf("%v", err)
	}
	if len(places) == 0 || pairs == 0 {
		l.wrongf("the order was not checked: %d places", len(places))
	}
	return fmt.Sprintf("%s; one order: %d places against %d that came after them, wrong: %v", lin, len(places), pairs, err)
}

// TestFaultsAreFound: the judge takes what a lock does, and finds what it cannot do.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for _, h := range []struct {
		what string
		ok   bool
		seen []faultSeen
	}{
		{"one after the other", true, []faultSeen{{1, 0, 10, 20}, {2, 5, 21, 30}}},
		{"known late", true, []faultSeen{{1, 0, 25, 26}, {2, 5, 27, 30}}},
		{"two at a time", false, []faultSeen{{1, 0, 10, 40}, {2, 5, 21, 30}}},
		{"tokens backwards", false, []faultSeen{{1, 15, 21, 30}, {2, 0, 10, 12}}},
	} {
		if err := linearizable(h.seen, 1); (err == nil) != h.ok {
			t.Errorf("%s: %v", h.what, err)
		}
	}
	long := make([]faultSeen, 5000)
	for i := range long {
		at := time.Duration(i) * 10
		long[i] = faultSeen{uint64(i + 1), max(at-2000, 0), at + 1, at + 9}
	}
	if err := linearizable(long, 1); err != nil {
		t.Error(err)
	}
	long[4321].free += 20
	if err := linearizable(long, 1); err == nil || !strings.Contains(err.Error(), "{token:4323 ") {
		t.Errorf("one that stayed too long is not found: %v", err)
	}
	seen := []faultSeen{{1, 0, 10, 20}, {2, 30, 40, 50}, {3, 5, 60, 70}}
	if n, err := overtaken(seen, []faultPlace{{3, 35}}); n != 0 || err != nil {
		t.Errorf("nobody came later: %d, %v", n, err)
	}
	if n, err := overtaken(seen, []faultPlace{{3, 25}}); n != 1 || err == nil {
		t.Errorf("one came later and was first: %d, %v", n, err)
	}
}
