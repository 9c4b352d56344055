package balance

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
)

// three backends with the weights 1, 2 and 5.
func three() []*Backend {
	var all []*Backend
	for n, w := range []int{1, 2, 5} {
		all = append(all, &Backend{Name: string(rune('a' + n)), Weight: w, Share: int64(w)})
	}
	return all
}

func addr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

// shares picks n times and returns each backend's share. With hold, each pick counts as
// a session that does not end.
func shares(p Policy, from []*Backend, n int, hold bool) map[string]float64 {
	got := map[string]float64{}
	for i := range n {
		b := p.Pick(from, addr(i))
		got[b.Name] += 1 / float64(n)
		if hold {
			b.Active++
		}
	}
	return got
}

func TestPoliciesShareByWeight(t *testing.T) {
	const n = 40000
	want := map[string]float64{"a": 1.0 / 8, "b": 2.0 / 8, "c": 5.0 / 8}
	for _, c := range []struct {
		name string
		hold bool
		off  float64
	}{
		{"random", false, 0.02}, {"roundrobin", false, 1e-9}, {"source", false, 0.02}, {"leastconn", true, 0.001}, {"p2c", true, 0.02},
	} {
		got := shares(New(c.name), three(), n, c.hold)
		for name, share := range want {
			if math.Abs(got[name]-share) > c.off {
				t.Errorf("%s: %s got %.3f, want %.3f", c.name, name, got[name], share)
			}
		}
	}
}

// TestRoundRobinIsSmooth: no backend gets its whole share in a row.
func TestRoundRobinIsSmooth(t *testing.T) {
	from, p, got := three(), New("roundrobin"), ""
	for range 16 {
		got += p.Pick(from, netip.Addr{}).Name
	}
	if want := "cbcaccbccbcaccbc"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestSourceIsStable: when one backend goes only its own clients move, when it comes
// back they return, and the order of the backends does not matter.
func TestSourceIsStable(t *testing.T) {
	p, all := New("source"), three()
	for n := range 2000 {
		before := p.Pick(all, addr(n))
		if again := p.Pick([]*Backend{all[2], all[0], all[1]}, addr(n)); again != before {
			t.Fatalf("%s: %s and %s", addr(n), before.Name, again.Name)
		}
		without := []*Backend{}
		for _, b := range all {
			if b.Name != "b" {
				without = append(without, b)
			}
		}
		if after := p.Pick(without, addr(n)); before.Name != "b" && after != before {
			t.Fatalf("%s moved from %s to %s when b went", addr(n), before.Name, after.Name)
		}
	}
	// The same on every node and after every restart.
	got := ""
	for n := range 16 {
		got += p.Pick(all, addr(n*7919)).Name
	}
	if want := "bcbccbcccacccacc"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p.Pick(all, netip.Addr{}) // a client of a Unix socket has no address
}

func TestLeastConnTakesTheLeastLoaded(t *testing.T) {
	all := three()
	all[0].Active, all[1].Active, all[2].Active = 1, 1, 3 // per unit of weight 1, 0.5, 0.6
	if b := New("leastconn").Pick(all, netip.Addr{}); b.Name != "b" {
		t.Errorf("leastconn took %s", b.Name)
	}
	if b := New("first").Pick(all, netip.Addr{}); b.Name != "a" {
		t.Errorf("first took %s", b.Name)
	}
	// Ties are broken evenly, not always by the first.
	tied := []*Backend{{Name: "x", Share: 1}, {Name: "y", Share: 1}, {Name: "z", Share: 1}}
	for name, share := range shares(New("leastconn"), tied, 9000, false) {
		if math.Abs(share-1.0/3) > 0.05 {
			t.Errorf("%s got %.3f of the ties", name, share)
		}
	}
}

// TestP2CAvoidsTheBusyOne, but does not send all clients to the other.
func TestP2CAvoidsTheBusyOne(t *testing.T) {
	var all []*Backend
	for n := range 10 {
		all = append(all, &Backend{Name: fmt.Sprint(n), Share: 1, Active: 10})
	}
	all[0].Active, all[1].Active = 1000, 0
	got := shares(New("p2c"), all, 20000, false)
	if got["0"] > 0.02 || got["1"] < 0.15 || got["1"] > 0.25 {
		t.Errorf("the busy one got %.3f, the free one %.3f", got["0"], got["1"])
	}
}

func TestNoPolicyOfThatName(t *testing.T) {
	for _, name := range Names {
		if New(name) == nil {
			t.Errorf("%s is listed but does not exist", name)
		}
	}
	if New("best") != nil {
		t.Error("a policy of an unknown name")
	}
}
