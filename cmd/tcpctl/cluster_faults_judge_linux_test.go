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

// faultSeen is what one client has seen, with times of one clock.
type faultSeen struct {
	token           uint64
	call, got, free time.Duration
	line            int // see faultLab.line
}

// A faultOp is an operation on the lock: to get a slot, or to give it back.
type faultOp struct {
	acquire bool
	rank    int // rank of its token among those that clients have seen
}

// faultModel is a lock with that many slots that issues tokens in order. rank is that of the first
// token.
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

// linearizable checks a history, ordered by token, in parts that overlap by half, since the time
// for one part grows faster than its length. It returns an error for the first part that no lock in
// one process could have produced.
func linearizable(all []faultSeen, slots int) error {
	const part = 400
	for from := 0; from == 0 || from < len(all); from += part / 2 {
		var ops []porcupine.Operation
		to := min(from+part, len(all))
		for i, v := range all[from:to] {
			ops = append(ops, porcupine.Operation{ClientId: i, Input: faultOp{true, from + i}, Call: int64(v.call), Return: int64(v.got)},
				// Nothing shows when a release takes effect: it has no end.
				porcupine.Operation{ClientId: i, Input: faultOp{false, from + i}, Call: int64(v.free), Return: math.MaxInt64 / 2})
		}
		if r := porcupine.CheckOperationsTimeout(faultModel(slots, from), ops, patience); r != porcupine.Ok {
			return fmt.Errorf("no lock could have had tokens %d to %d: %s; %s", all[from].token, all[to-1].token, r, tooMany(all[from:to], slots))
		}
	}
	return nil
}

// tooMany names the token of a non-linearizable history that had no slot, if each token before it
// held its slot as briefly as possible.
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

// overtaken counts the clients that came after a waiter had its place in the same queue, and finds
// one that was granted before it. seen is ordered by token.
func overtaken(seen []faultSeen, places []faultPlace) (pairs int, first error) {
	for _, p := range places {
		for _, v := range seen {
			if v.call <= p.by || v.line != p.line {
				continue
			}
			if pairs++; v.token < p.token && first == nil {
				first = fmt.Errorf("token %d is of a client that came at %v, after the one with token %d had its place at %v", v.token, v.call, p.token, p.by)
			}
		}
	}
	return pairs, first
}

// atOnce returns the maximum number of concurrent holders, by what they saw, and which they were.
func atOnce(seen []faultSeen) (most int, who []faultSeen) {
	type event struct {
		at   time.Duration
		more int
	}
	var all []event
	for _, v := range seen {
		if v.free > v.got {
			all = append(all, event{v.got, 1}, event{v.free, -1})
		}
	}
	slices.SortFunc(all, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.more, b.more)) })
	now, at := 0, time.Duration(0)
	for _, e := range all {
		if now += e.more; now > most {
			most, at = now, e.at
		}
	}
	return most, slices.DeleteFunc(slices.Clone(seen), func(v faultSeen) bool { return v.got > at || v.free <= at })
}

// backwards finds a client that joined a queue after another had its token, and got a lower one.
func backwards(seen []faultSeen) error {
	type event struct {
		at time.Duration
		v  faultSeen
	}
	var all []event
	for _, v := range seen {
		if v.line != 0 {
			all = append(all, event{v.call, v}, event{v.got, v})
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	highest := map[int]faultSeen{}
	for _, e := range all {
		switch high := highest[e.v.line]; {
		case e.at == e.v.call && e.v.token < high.token:
			return fmt.Errorf("%+v came after %+v had its token", e.v, high)
		case e.at == e.v.got && e.v.token > high.token:
			highest[e.v.line] = e.v
		}
	}
	return nil
}

// judgeHistory says whether a lock could have produced the history, ordered by token. If nodes
// grant slots by themselves, tokens are ordered only within a node, and porcupine is of no use: the
// history is right if there were never too many holders.
func (l *faultLab) judgeHistory(seen []faultSeen) string {
	var text string
	var err error
	if l.shares {
		most, who := atOnce(seen)
		text, err = fmt.Sprintf("at most %d at once by what clients saw", most), backwards(seen)
		if err == nil && most > l.slots {
			err = fmt.Errorf("%d held %d slots, by what they saw: %+v", most, l.slots, who)
		}
	} else {
		text, err = "porcupine ok", linearizable(seen, l.slots)
	}
	if err != nil {
		l.wrongf("%v", err)
		return err.Error()
	}
	return text
}

// judge checks all that clients have seen.
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
	history := l.judgeHistory(seen)
	pairs, err := overtaken(seen, places)
	if err != nil {
		l.wrongf("%v", err)
	}
	if len(places) == 0 || pairs == 0 {
		l.wrongf("the order was not checked: %d places", len(places))
	}
	return fmt.Sprintf("%s; order: %d places against %d that came after them, wrong: %v", history, len(places), pairs, err)
}

// TestFaultsAreFound: the judge accepts possible histories of a lock, and rejects impossible ones.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for _, h := range []struct {
		what string
		ok   bool
		seen []faultSeen
	}{
		{"one after the other", true, []faultSeen{{1, 0, 10, 20, 1}, {2, 5, 21, 30, 1}}},
		{"known late", true, []faultSeen{{1, 0, 25, 26, 1}, {2, 5, 27, 30, 1}}},
		{"two at a time", false, []faultSeen{{1, 0, 10, 40, 1}, {2, 5, 21, 30, 1}}},
		{"tokens backwards", false, []faultSeen{{1, 15, 21, 30, 1}, {2, 0, 10, 12, 1}}},
	} {
		if err := linearizable(h.seen, 1); (err == nil) != h.ok {
			t.Errorf("%s: %v", h.what, err)
		}
	}
	long := make([]faultSeen, 5000)
	for i := range long {
		at := time.Duration(i) * 10
		long[i] = faultSeen{uint64(i + 1), max(at-2000, 0), at + 1, at + 9, 1}
	}
	if err := linearizable(long, 1); err != nil {
		t.Error(err)
	}
	long[4321].free += 20
	if err := linearizable(long, 1); err == nil || !strings.Contains(err.Error(), "{token:4323 ") {
		t.Errorf("one that stayed too long is not found: %v", err)
	}
	seen := []faultSeen{{1, 0, 10, 20, 1}, {2, 30, 40, 50, 1}, {3, 5, 60, 70, 1}}
	if n, err := overtaken(seen, []faultPlace{{3, 35, 1}}); n != 0 || err != nil {
		t.Errorf("nobody came later: %d, %v", n, err)
	}
	if n, err := overtaken(seen, []faultPlace{{3, 25, 1}}); n != 1 || err == nil {
		t.Errorf("one came later and was first: %d, %v", n, err)
	}
	if n, err := overtaken(seen, []faultPlace{{3, 25, 2}}); n != 0 || err != nil {
		t.Errorf("nobody came later to that line: %d, %v", n, err)
	}
}

// TestFaultsOfSharesAreFound: the same if nodes grant slots by themselves.
func TestFaultsOfSharesAreFound(t *testing.T) {
	t.Parallel()
	for _, h := range []struct {
		what  string
		most  int
		grows bool
		seen  []faultSeen
	}{
		{"one after the other", 1, true, []faultSeen{{1, 0, 10, 20, 1}, {2, 5, 20, 30, 1}}},
		{"two at a time", 2, true, []faultSeen{{1, 0, 10, 20, 1}, {9, 5, 19, 30, 2}}},
		{"known to have held for no time", 1, true, []faultSeen{{1, 0, 10, 10, 1}, {2, 5, 10, 30, 1}}},
		{"tokens of two lines", 1, true, []faultSeen{{1, 25, 26, 27, 1}, {9, 0, 10, 20, 2}}},
		{"of a line that is not known", 1, true, []faultSeen{{1, 25, 26, 27, 0}, {9, 0, 10, 20, 0}}},
		{"backwards", 1, false, []faultSeen{{1, 25, 26, 27, 1}, {9, 0, 10, 20, 1}}},
	} {
		if most, who := atOnce(h.seen); most != h.most || len(who) != most {
			t.Errorf("%s: %d at once: %+v", h.what, most, who)
		}
		if err := backwards(h.seen); (err == nil) != h.grows {
			t.Errorf("%s: %v", h.what, err)
		}
	}
}
