package relay

import (
	"math/rand/v2"
	"testing"
)

// TestBudgetFloors takes and releases at random and checks a budget's guarantees: never
// more than the whole, and a share within its floor is never refused while the number
// of shares and the maximum stay the same.
func TestBudgetFloors(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		most := 1 + r.IntN(40)
		b := NewBudget(most)
		shares := make([]*Share, 1+r.IntN(6))
		for i := range shares {
			shares[i] = b.NewShare()
		}
		used := make([]int, len(shares))
		sum, floor := 0, most/2/len(shares)
		for range 500 {
			i := r.IntN(len(shares))
			if r.IntN(3) == 0 {
				if used[i] > 0 {
					shares[i].Release()
					used[i]--
					sum--
				}
				continue
			}
			if from := r.IntN(len(shares)); r.IntN(3) == 0 && from != i && used[from] > 0 { // a session moves
				used[from]--
				reserved := 0
				for j, n := range used {
					if j != i {
						reserved += max(0, floor-n)
					}
				}
				want := used[i] < floor || sum-1+reserved < most
				if got := shares[from].MoveTo(shares[i]); got != want {
					t.Fatalf("seed %d: share %d of %v takes one over, of %d: %v, want %v", seed, i, used, most, got, want)
				} else if got {
					used[i]++
				} else {
					used[from]++
				}
				continue
			}
			// The unused floors of the others are not available.
			reserved := 0
			for j, n := range used {
				if j != i {
					reserved += max(0, floor-n)
				}
			}
			want := used[i] < floor || sum+reserved < most
			if got := shares[i].Acquire() == nil; got != want {
				t.Fatalf("seed %d: share %d of %v takes one of %d: %v, want %v", seed, i, used, most, got, want)
			} else if got {
				used[i]++
				sum++
			}
		}
		if b.Used() != sum || sum > most {
			t.Fatalf("seed %d: %d used, want %d of %d", seed, b.Used(), sum, most)
		}
	}
}

// TestBudgetIsDividedAnew when shares come and go and the maximum changes: whatever
// happened before, in the end everything taken is released, and the whole is available
// again.
func TestBudgetIsDividedAnew(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := NewBudget(20)
		var held []*Share // one for each session taken
		var shares []*Share
		for range 300 {
			switch n := r.IntN(10); {
			case n == 0 && len(shares) < 5:
				shares = append(shares, b.NewShare())
			case n == 1 && len(shares) > 0:
				i := r.IntN(len(shares))
				shares[i].Close()
				shares = append(shares[:i], shares[i+1:]...)
			case n == 2:
				b.SetMax(5 + r.IntN(30))
			case n < 7 && len(shares) > 0:
				if s := shares[r.IntN(len(shares))]; s.Acquire() == nil {
					held = append(held, s)
					if b.Used() > b.Max() {
						t.Fatalf("seed %d: %d of %d", seed, b.Used(), b.Max())
					}
				}
			case len(held) > 0:
				held[len(held)-1].Release()
				held = held[:len(held)-1]
			}
		}
		for _, s := range held {
			s.Release()
		}
		for _, s := range shares {
			s.Close()
		}
		s := b.NewShare()
		for n := range b.Max() {
			if s.Acquire() != nil {
				t.Fatalf("seed %d: %d of %d are available", seed, n, b.Max())
			}
		}
		if s.Acquire() == nil {
			t.Fatalf("seed %d: more than %d", seed, b.Max())
		}
	}
}

// TestAShareWakesThoseWhoWait, whichever share releases.
func TestAShareWakesThoseWhoWait(t *testing.T) {
	b := NewBudget(4)
	one, two := b.NewShare(), b.NewShare()
	for range 3 {
		one.Acquire()
	}
	two.Acquire()
	free := one.Acquire()
	select {
	case <-free:
		t.Fatal("no release was reported")
	default:
	}
	two.Release()
	select {
	case <-free:
	default:
		t.Fatal("not woken")
	}
	if one.Acquire() == nil {
		t.Error("it took the other's floor")
	}
	if two.Acquire() != nil {
		t.Error("its own floor was refused")
	}
}
