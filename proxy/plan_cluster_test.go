package proxy_test

import (
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule09AcrossNodes: that none has failed does not stand without those who were rejected, and
// what is not known is not counted.
func TestRule09AcrossNodes(t *testing.T) {
	node := func(name, state string, failed, rejected int64) proxy.NodeReport {
		return proxy.NodeReport{Node: name, State: state, Numbers: proxy.Numbers{Failed: failed, Rejected: rejected}}
	}
	for _, tc := range []struct {
		want  string
		nodes []proxy.NodeReport
	}{
		{"failed 0 on 2 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 0, 0), node("b", proxy.NodeDone, 0, 0)}},
		{"failed 0, rejected 5 on 2 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 0, 2), node("b", proxy.NodeDone, 0, 3)}},
		{"failed 2, rejected 1 on 1 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 2, 1), node("b", proxy.NodeUnknown, 7, 7)}},
		{"failed 1 on 1 of 2 nodes", []proxy.NodeReport{node("a", proxy.NodeDone, 0, 0), node("a", proxy.NodeDone, 1, 0), node("b", proxy.NodeDone, 0, 0), node("b", proxy.NodeUnknown, 0, 0)}},
	} {
		if got := proxy.AcrossNodes(tc.nodes); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
