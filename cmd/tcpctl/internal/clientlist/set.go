package clientlist

import (
	"net/netip"
	"slices"
	"sort"
)

// set finds an address among networks: disjoint sorted ranges, so that a lookup in a million takes
// twenty comparisons.
type set struct{ first, last []netip.Addr }

func newSet(all []netip.Prefix) (s set) {
	all = slices.Clone(all)
	sort.Slice(all, func(i, j int) bool { return all[i].Addr().Less(all[j].Addr()) })
	for _, p := range all {
		first, last := p.Masked().Addr(), lastOf(p)
		if n := len(s.last) - 1; n >= 0 && first.Compare(s.last[n]) <= 0 && first.BitLen() == s.last[n].BitLen() {
			if last.Compare(s.last[n]) > 0 {
				s.last[n] = last
			}
			continue
		}
		s.first, s.last = append(s.first, first), append(s.last, last)
	}
	return s
}

// lastOf returns the last address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		if host := p.Bits() - 8*i; host <= 0 {
			b[i] = 0xff
		} else if host < 8 {
			b[i] |= 0xff >> host
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (s set) covers(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	n, found := slices.BinarySearchFunc(s.first, a, netip.Addr.Compare)
	return found || n > 0 && a.IsValid() && a.Compare(s.last[n-1]) <= 0 && a.BitLen() == s.last[n-1].BitLen()
}
