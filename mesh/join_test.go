package mesh

import (
	"net/netip"
	"testing"
)

// TestJoinedNameThatMoves: the loss of a node at an address that the name no longer has does not cause lookups in a tight loop.
func TestJoinedNameThatMoves(t *testing.T) {
	n, err := New(Config{Name: "moves", NoMDNS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Listen(t.Context(), "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	before, now := netip.MustParseAddrPort("127.0.0.1:1"), n.listen
	answered := map[netip.AddrPort]string{before: "lost", now: n.ID()}
	if linked, err := n.callAll([]netip.AddrPort{now}, answered, n.addSource(sourceDNS, "moves.example:1")); linked != 1 || err != nil {
		t.Fatal(linked, err)
	}
	if len(answered) != 1 || answered[now] != n.ID() {
		t.Errorf("waits for %v", answered)
	}
}
