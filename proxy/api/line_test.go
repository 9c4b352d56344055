package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// lineText is a line in text form: holders, waiters, unknown parts.
func lineText(l *Line) (all []string) {
	for _, c := range l.Holders {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", c.Token, c.Node, c.State, c.Client)))
	}
	for _, c := range l.Waiters {
		all = append(all, strings.TrimSpace(fmt.Sprintf("#%d %s %s %s", c.Position, c.Node, c.State, c.Client)))
	}
	return append(all, l.Unknown...)
}

func waiter(arrival uint64, client, state string) proxy.WaiterInfo {
	return proxy.WaiterInfo{ID: "s" + client, Client: client, Arrival: arrival, State: state, Reason: proxy.ReasonCluster, WaitedSeconds: 100 - float64(arrival)}
}

// TestALineOfAllNodes: places come from the newest voter, clients from their nodes, and
// inconsistent parts are shown as they are.
func TestALineOfAllNodes(t *testing.T) {
	t.Parallel()
	const one, two, three = "1111111111111111", "2222222222222222", "3333333333333333"
	old := &Places{Entry: 7, Waiting: []PlaceRun{{Node: "edge-2", Process: two, From: 1, To: 9}}}
	places := &Places{Entry: 9,
		Held:    []HeldPlace{{Node: "edge-1", Process: one, Arrival: 1, Token: 40}, {Node: "edge-3", Process: three, Arrival: 6, Token: 41, LeaseSeconds: 1.5}, {Node: "edge-1", Process: one, Arrival: 2, Token: 42}},
		Waiting: []PlaceRun{{"edge-1", one, 3, 4}, {"edge-2", two, 1, 1}, {"edge-3", three, 7, 9}, {"edge-2", two, 2, 3}},
	}
	first := &NodeLine{Process: one, Lock: proxy.LockInfo{Slots: 3, LeaseSeconds: 2, Holders: []proxy.HolderInfo{{ID: "s0", Client: "a", Token: 40, HeldSeconds: 5}}}, Places: old,
		Waiters: []proxy.WaiterInfo{waiter(2, "b", proxy.WaiterNext), waiter(3, "c", proxy.WaiterWaiting), waiter(4, "d", proxy.WaiterVerifying), waiter(0, "new", proxy.WaiterWaiting)}}
	second := &NodeLine{Process: two, Lock: proxy.LockInfo{Slots: 3}, Places: places, Waiters: []proxy.WaiterInfo{waiter(1, "e", proxy.WaiterNext), waiter(3, "f", proxy.WaiterWaiting)}}
	answers := []Answer[*NodeLine]{
		{Member: Member{Node: "edge-1"}, Result: first}, {Member: Member{Node: "edge-2"}, Result: second},
		{Member: Member{Node: "edge-3", ID: three[:14] + "abcd"}, Error: NoAnswer("no answer in time")}, {Member: Member{Node: "edge-4"}, Error: Unknown("there is no service", "")},
		{Member: Member{Node: "edge-5", ID: "55555555555555555"}, Error: Unreachable("unreachable: down", "")}, // it has no clients in the places
	}
	line := newLine("db", answers)
	want := []string{
		"40 edge-1 holds a", "41 edge-3 holds", "42 edge-1 granted b",
		"#1 edge-1 waiting c", "#2 edge-1 verifying d", "#3 edge-2 waiting e", "#4 edge-3 waiting", "#5 edge-3 waiting", "#6 edge-3 waiting", "#7 edge-2 waiting f",
		"#0 edge-1 waiting new",
		"edge-3 does not answer: its clients are not known",
	}
	if got := lineText(line); !slices.Equal(got, want) {
		t.Errorf("the line:\n%s\nwanted\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if line.Slots != 3 || line.Holders[0].LeaseSeconds != 2 || line.Holders[1].LeaseSeconds != 1.5 {
		t.Errorf("%d slots, leases %v and %v", line.Slots, line.Holders[0].LeaseSeconds, line.Holders[1].LeaseSeconds)
	}
}

// TestALineWithoutAVoter: the waiters are known, but not their places.
func TestALineWithoutAVoter(t *testing.T) {
	t.Parallel()
	n := &NodeLine{Lock: proxy.LockInfo{Slots: 1, Holders: []proxy.HolderInfo{{ID: "s1", Client: "a", Token: 3}}}, Waiters: []proxy.WaiterInfo{waiter(5, "b", proxy.WaiterNext)}}
	got := lineText(newLine("db", []Answer[*NodeLine]{{Member: Member{Node: "edge-1"}, Result: n}}))
	want := []string{"3 edge-1 holds a", "#0 edge-1 next b", "no voter answers: the places of waiters are not known"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// TestALongLine lists the first waiters and counts the others, including those of a
// node that has not answered.
func TestALongLine(t *testing.T) {
	t.Parallel()
	n := &NodeLine{Process: "11", Places: &Places{Waiting: []PlaceRun{{Node: "edge-2", Process: "22", From: 1, To: maxLine - 1}, {Node: "edge-1", Process: "11", From: 1, To: 2}, {Node: "edge-2", Process: "22", From: 9000, To: 9009}}},
		Waiters: []proxy.WaiterInfo{waiter(1, "a", proxy.WaiterNext), waiter(2, "b", proxy.WaiterWaiting)}}
	line := newLine("db", []Answer[*NodeLine]{{Member: Member{Node: "edge-1"}, Result: n}})
	if len(line.Waiters) != maxLine || line.Beyond != 11 || line.Waiters[maxLine-1].Client != "a" {
		t.Errorf("%d listed, %d beyond, the last is %+v", len(line.Waiters), line.Beyond, line.Waiters[len(line.Waiters)-1])
	}
}
