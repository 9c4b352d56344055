package discover

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestRule40bRandomPrograms runs random sequences of answers and failures, and checks each step
// against rule 40, which is implemented here in another way: from the whole history instead of a
// state.
func TestRule40bRandomPrograms(t *testing.T) {
	t.Parallel()
	const hold = 30 * time.Second
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 40))
		var s Set
		now := time.Now()
		type said struct {
			at    time.Time
			names []string
		}
		var history []said // answers only
		for step := range 120 {
			before := s
			now = now.Add(time.Duration(rnd.IntN(12_000)) * time.Millisecond)
			if rnd.IntN(5) == 0 {
				s, _ = s.Fail("no", now)
				if !reflect.DeepEqual(s.Backends, before.Backends) || !reflect.DeepEqual(s.Held, before.Held) || !s.At.Equal(before.At) {
					t.Fatalf("seed %d step %d: a failure changes the set", seed, step)
				}
				continue
			}
			found := backends(answerOf(rnd))
			s, _ = s.Answer(found, Terms{Hold: hold}, now)
			said := said{now, names(found)}
			history = append(history, said)
			is := names(s.Backends)
			if !slices.IsSorted(is) || len(slices.Compact(slices.Clone(is))) != len(is) {
				t.Fatalf("seed %d step %d: names are not a set: %v", seed, step, is)
			}
			for _, b := range found { // what the answer has is in force, with its values
				if i := index(s.Backends, b.Name); i < 0 || !reflect.DeepEqual(s.Backends[i], b) {
					t.Fatalf("seed %d step %d: %s was found, and is not in force as found", seed, step, b.Name)
				}
			}
			var gone, missing int
			for _, b := range before.Backends {
				if !slices.Contains(said.names, b.Name) {
					missing++
				}
				if slices.Contains(is, b.Name) {
					continue
				}
				gone++
			}
			for _, name := range is { // no other names
				if !slices.Contains(said.names, name) && index(before.Backends, name) < 0 {
					t.Fatalf("seed %d step %d: %s came from nowhere", seed, step, name)
				}
			}
			// Not by one bad answer: what is removed while more than half is missing was left out
			// by each answer during the whole hold, and by at least two.
			if missing > 0 && (2*missing > len(before.Backends) || missing == len(before.Backends)) {
				for _, b := range before.Backends {
					if slices.Contains(is, b.Name) {
						continue
					}
					first := len(history)
					for first > 0 && !slices.Contains(history[first-1].names, b.Name) {
						first--
					}
					if first == len(history) || len(history)-first < 2 || now.Sub(history[first].at) < hold {
						t.Fatalf("seed %d step %d: %s went after %v of a hold of %v", seed, step, b.Name, now.Sub(history[first].at), hold)
					}
				}
			}
			if len(before.Backends) > 0 && len(is) == 0 && (before.Held == nil || gone == 0) {
				t.Fatalf("seed %d step %d: empty by one answer", seed, step)
			}
			// What is gone is removed: a name that each answer during two holds has left out is no
			// longer in force.
			for _, name := range is {
				first := len(history)
				for first > 0 && !slices.Contains(history[first-1].names, name) {
					first--
				}
				if first < len(history) && now.Sub(history[first].at) >= hold {
					t.Fatalf("seed %d step %d: %s is still there %v after it was named", seed, step, name, now.Sub(history[first].at))
				}
			}
		}
	}
}

// answerOf returns some of eight names; sometimes none or all.
func answerOf(rnd *rand.Rand) string {
	words := ""
	share := []int{0, 15, 50, 90, 100}[rnd.IntN(5)]
	for _, name := range "abcdefgh" {
		if rnd.IntN(100) < share {
			words += string(name)
			if rnd.IntN(4) == 0 {
				words += "=" + string('2'+rune(rnd.IntN(7)))
			}
			words += " "
		}
	}
	return words
}
