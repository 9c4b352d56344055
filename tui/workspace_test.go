package tui

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Enter on a node shows it; acts are then done there, as the question, the equivalent command line
// and the events say.
func TestActsOnAPeer(t *testing.T) {
	c := newConsole(t, edge(), 200, 60)
	there := c.engine.peer("edge-02")
	c.press("3 j enter")
	c.sees("edge-01 > edge-02", "[1 Backends", "acts are done there")
	c.look()
	c.press("d")
	c.sees("drain db-front/pg-a on edge-02? [y/N]", "= tcpctl drain db-front/pg-a --peer edge-02")
	c.press("y")
	if got := there.acts(); len(got) != 1 || got[0].Act != "drain" || got[0].Targets[0] != "db-front/pg-a" {
		t.Fatalf("the peer was asked %+v", got)
	}
	if got := c.engine.acts(); len(got) != 0 {
		t.Fatalf("this node was asked %+v", got)
	}
	c.press("U")
	if got := there.acts(); len(got) != 2 || got[1].Act != "ready" {
		t.Fatalf("undone by %+v", got)
	}
	c.press("5 z")
	c.sees("--peer edge-02") // its events show the command as typed here
	c.press("esc esc esc")
	c.seesNot("edge-01 > edge-02")
	c.sees("[3 Peers")
	c.press("1 U")
	c.sees("nothing to undo") // acts on the peer are not undone here
}

// Marks, cursor and filter belong to one node.
func TestMarksStayWithTheirNode(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.press("A")
	c.press("3 j enter")
	if n := c.backends.table.Marked(); n != 0 {
		t.Fatalf("%d marks came along", n)
	}
	c.press("esc esc 1")
	if n := c.backends.table.Marked(); n == 0 {
		t.Fatal("the marks at home are gone")
	}
}

// A drain on every node is sent to each, and each answer is shown.
func TestEverywhere(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.engine.change(func(f *fake) {
		heal(f)
		p := f.status.Mesh.Peers
		p[1].State, p[1].Cause = meshinfo.Down, meshinfo.Unreachable
		// Nodes that are not members are not asked: one that departed, and an invented one.
		f.status.Mesh.Peers = append(p, api.Peer{Peer: meshinfo.Peer{ID: "4", Name: "edge-04", State: meshinfo.Down, Cause: meshinfo.Departed, Trusted: true}},
			api.Peer{Peer: meshinfo.Peer{ID: "5", Name: "edge-02", State: meshinfo.Refused, Detail: "mesh: refused"}})
	})
	c.look()
	two := c.engine.peer("edge-02")
	two.change(func(f *fake) { f.refuse = api.Refused("no backend would be left", "--force") })
	c.press("3 D") // the first of the list is db-front/pg-a
	c.sees("drain on all 3 nodes", "db-front/pg-a")
	c.press("enter")
	c.sees("on every node ?", "tcpctl drain db-front/pg-a --peer all", "edge-03: not reachable")
	c.press("y")
	c.sees("edge-01", "edge-02", "no backend would be left", "edge-03", "unknown: unreachable: down (unreachable)", "done on 1 of 3 nodes")
	if n := len(c.engine.acts()); n != 1 {
		t.Fatalf("%d acts at home", n)
	}
	if n := len(c.engine.peer("edge-03").acts()); n != 0 {
		t.Fatalf("%d acts on a node that is down", n)
	}
}

// An act on every node is undone on the nodes that did it, and on no other.
func TestEverywhereIsUndone(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.engine.change(func(f *fake) {
		heal(f)
		f.status.Mesh.Peers[1].State = meshinfo.Alive
	})
	c.look()
	two, three := c.engine.peer("edge-02"), c.engine.peer("edge-03")
	two.change(func(f *fake) { f.refuse = api.Refused("no backend would be left", "--force") })
	c.press("3 D enter y")
	c.sees("done on 2 of 3 nodes", "(undo: U)")
	two.change(func(f *fake) { f.refuse = nil })
	c.press("esc U")
	c.sees("undone: ", "done on 2 of 2 nodes")
	for name, f := range map[string]*fake{"edge-01": c.engine, "edge-03": three} {
		if got := f.acts(); len(got) != 2 || got[1].Act != "ready" || got[1].Expect == "" {
			t.Errorf("%s was asked %+v", name, got)
		}
	}
	if got := two.acts(); len(got) != 1 {
		t.Errorf("the node that refused was asked %+v", got)
	}
}

// The same from a dialog's field, and from the command line.
func TestEverywhereByWords(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.engine.change(heal)
	c.look()
	c.press(":")
	c.write("drain db-front/pg-b --limit 5m --peer all")
	c.press("enter")
	c.sees("tcpctl drain db-front/pg-b --limit 5m --peer all")
	c.press("esc")
	c.press("d tab") // tab opens the options
	for range 10 {
		if d := c.overlay().(*dialog); d.at > 0 && d.at <= len(d.fields) && d.fields[d.at-1].name == "on" {
			break
		}
		c.press("tab")
	}
	c.press("right")
	c.sees("(o)all 3 nodes", "--peer all")
	c.press("esc :")
	c.write("drain db-front/pg-a --peer edge-02")
	c.press("enter")
	c.sees("drain db-front/pg-a on edge-02?", "> edge-02")
	c.press("y")
	if got := c.engine.peer("edge-02").acts(); len(got) != 1 {
		t.Fatalf("edge-02 was asked %+v", got)
	}
	c.press(":")
	c.write("drain db-front/pg-b --peer unknown")
	c.press("enter")
	c.sees("there is no such node")
}

// Without a secret no node can be opened, and the console says why.
func TestWithoutASecret(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.engine.change(func(f *fake) { f.status.Mesh.Secret = false })
	c.look()
	c.press("3 j")
	c.sees("Without a secret, peers see names and states")
	c.press("enter")
	c.sees("node edge-02", "db-front 4/4 up", "cannot act")
	c.press("esc d")
	c.sees("cannot act")
	if c.away() || len(c.engine.acts()) > 0 {
		t.Fatal("a peer was opened without a secret")
	}
}

// If a node goes down while it is shown, the console says so, and shows STALE.
func TestAPeerGoesDown(t *testing.T) {
	c := newConsole(t, edge(), 100, 30)
	c.press("3 j enter")
	c.look()
	there := c.engine.peer("edge-02")
	there.change(func(f *fake) { f.err = errors.New("unreachable") })
	c.engine.change(func(f *fake) {
		peers := slices.Clone(f.status.Mesh.Peers)
		peers[0].State, peers[0].Cause = meshinfo.Down, meshinfo.Unreachable
		f.status.Mesh = &api.Mesh{Name: "lab", Node: "edge-01", Secret: true, Peers: peers}
	})
	c.pass(4 * time.Second)
	c.sees("STALE 4s", "edge-02 is down (unreachable: nothing comes back)", "PEERS 1/3")
	c.press("esc esc")
	c.seesNot("STALE")
}

// slow is a node that never answers: every query hangs.
type slow struct{ api.Source }

func (slow) Status(ctx context.Context) (*api.Status, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (slow) Events(ctx context.Context, _ uint64, _ bool) (proxy.EventPage, error) {
	<-ctx.Done()
	return proxy.EventPage{}, ctx.Err()
}

// The console does not wait for a node that hangs, and ignores its answers once it is no longer
// shown.
func TestAPeerHangs(t *testing.T) {
	c := newConsole(t, edge(), 100, 30, func(cfg *Config) { cfg.Peer = func(string) api.Source { return slow{} } })
	c.press("3 j")
	_, cmd := c.Update(keyMsg("enter")) // must return, whatever the node does
	c.sees("> edge-02", "WAIT")
	_, _ = c.Update(keyMsg("esc")) // the message
	_, _ = c.Update(keyMsg("esc"))
	c.carry(cmd) // the queries end at once: their context is done
	c.seesNot("edge-01 > edge-02")
	c.sees("LIVE")
}
