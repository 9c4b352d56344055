package mesh

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// What a connection is for.
const (
	kindLink  = "link"  // for the package itself: heartbeats, records, streams
	kindConn  = "conn"  // for the program; Token says to which link it belongs
	kindProbe = "probe" // from Doctor: closed after the verdicts

	kindRelay  = "relay"  // streams that go through a hub; Token says to which link it belongs
	kindStream = "stream" // one such stream, end to end: it comes over a relay, never as a connection of its own
)

var kinds = []string{kindLink, kindConn, kindProbe, kindRelay, kindStream}

// hello is the first message of each side. Any caller can read it: it contains nothing that mDNS does not announce to the
// whole network anyway.
type hello struct {
	Protocol int              `json:"v"`
	Mesh     string           `json:"mesh"`
	ID       string           `json:"id"`
	Boot     string           `json:"boot"`
	Name     string           `json:"name"`
	Version  string           `json:"version,omitempty"`
	Kind     string           `json:"kind"`
	Token    string           `json:"token,omitempty"`
	Number   uint64           `json:"number,omitempty"` // of the program's connection, counted from 1 in each link
	Port     uint16           `json:"port"`
	Addrs    []netip.AddrPort `json:"addrs,omitempty"`
	Time     time.Time        `json:"time"` // now, for Peer.SkewSeconds
}

// parseHello parses untrusted input: anyone on the network can send it.
func parseHello(b []byte) (hello, error) {
	var h hello
	if err := json.Unmarshal(b, &h); err != nil {
		return hello{}, fmt.Errorf("mesh: hello: %w", err)
	}
	switch {
	case h.Protocol != 1:
		return h, &RefusedError{Reason: meshinfo.ReasonProtocol, Detail: fmt.Sprintf("it has version %d, this node has 1", h.Protocol)}
	case !plain.Name(h.Mesh):
		return hello{}, errors.New("mesh: hello: invalid mesh name")
	case !plain.ID(h.ID):
		return hello{}, errors.New("mesh: hello: invalid id")
	case !plain.ID(h.Boot):
		return hello{}, errors.New("mesh: hello: invalid boot")
	case !plain.Name(h.Name):
		return hello{}, errors.New("mesh: hello: invalid node name")
	case h.Version != "" && !plain.Name(h.Version):
		return hello{}, errors.New("mesh: hello: invalid version")
	case !slices.Contains(kinds, h.Kind):
		return hello{}, fmt.Errorf("mesh: hello: unknown kind %.20q", h.Kind)
	case len(h.Addrs) > maxAddrs:
		return hello{}, fmt.Errorf("mesh: hello: %d addresses: the limit is %d", len(h.Addrs), maxAddrs)
	}
	for _, a := range h.Addrs {
		if err := checkAddr(a); err != nil {
			return hello{}, fmt.Errorf("mesh: hello: %w", err)
		}
	}
	return h, nil
}

// checkAddr refuses addresses that cannot be dialled.
func checkAddr(a netip.AddrPort) error {
	if !a.IsValid() || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || len(a.Addr().Zone()) > 16 {
		return fmt.Errorf("invalid address %.60q", a)
	}
	return nil
}

// verdict is each side's answer to the other's hello.
type verdict struct {
	OK     bool            `json:"ok"`
	Reason meshinfo.Reason `json:"reason,omitempty"`
	Detail string          `json:"detail,omitempty"`
}

func parseVerdict(b []byte) (verdict, error) {
	var v verdict
	if err := json.Unmarshal(b, &v); err != nil {
		return verdict{}, fmt.Errorf("mesh: verdict: %w", err)
	}
	if !v.OK && !plain.Name(string(v.Reason)) || v.Detail != "" && !plain.Text(v.Detail, 256) {
		return verdict{}, errors.New("mesh: verdict: invalid reason")
	}
	return v, nil
}
