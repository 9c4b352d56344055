package tui

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// fifty is a console in a mesh of fifty nodes: that of the golden screens, and 49 like it. pg-a is
// down on edge-12, pg-c on 26, 34 and 35; pg-b drains on all.
func fifty(t testing.TB, w, h int) (*console, *fake) {
	home := edge()
	heal(home)
	mesh := home.status.Mesh
	mesh.Peers, mesh.ID, mesh.Label = nil, "id01", "edge-01"
	for i := 2; i <= 50; i++ {
		name := fmt.Sprintf("edge-%02d", i)
		label := name
		if i >= 49 {
			name = "twin"
			label = api.Label(name, fmt.Sprintf("id%02d", i))
		}
		mesh.Peers = append(mesh.Peers, api.Peer{Label: label, Peer: meshinfo.Peer{ID: fmt.Sprintf("id%02d", i), Name: name,
			Addr: fmt.Sprintf("10.0.0.%d:7946", i), State: meshinfo.Alive, Since: start.Add(-time.Hour), Seen: start, FoundBy: "join", Trusted: true}})
		node := edge()
		heal(node)
		node.status.Node.Name, node.status.Mesh = name, nil
		down := func(b *proxy.BackendInfo) {
			b.State, b.Eligible = proxy.StateDown, false
			b.Check = &proxy.CheckInfo{Consecutive: 3, Threshold: 3, Detail: "timeout"}
		}
		switch i {
		case 12:
			down(&node.status.Services[0].Backends[0])
		case 26, 34, 35:
			down(&node.status.Services[0].Backends[2])
		case 40:
			node.err = errors.New("no answer in time")
		}
		if home.peers == nil {
			home.peers = map[string]*fake{}
		}
		home.peers[fmt.Sprintf("id%02d", i)], home.peers[label] = node, node
	}
	return newConsole(t, home, w, h), home
}

// TestFleetOfFifty: one table shows what is down on which node, and a line below it the conclusions
// from all nodes together.
func TestFleetOfFifty(t *testing.T) {
	for _, size := range [][2]int{{140, 45}, {80, 24}, {200, 60}} {
		c, _ := fifty(t, size[0], size[1])
		c.press("3 v")
		c.look()
		c.pass(3 * time.Second)
		c.press("j")
		golden(t, fmt.Sprintf("fleet-%dx%d", size[0], size[1]), c)
	}
	c, home := fifty(t, 140, 45)
	c.press("3 v")
	c.look()
	c.sees("fleet lab", "db-front/pg-a", "48/49", "46/49")
	c.press("j") // pg-a
	for range 11 {
		c.press("l")
	}
	c.sees("db-front/pg-a on edge-12: DOWN 10.0.0.11:5432, timeout", "down here, seen up by 48 others: this node's path, not the backend")
	c.press("h")
	c.sees("db-front/pg-a on edge-11: UP 10.0.0.11:5432", "edge-12 down")
	for range 39 {
		c.press("l")
	}
	c.sees("on twin#id50 (10.0.0.50:7946)") // a repeated name is shown with id and address
	for range 10 {
		c.press("h")
	}
	c.sees("edge-40 does not answer: sent, but not answered: no answer in time")
	c.press("D") // on all nodes
	c.sees("Drain db-front/pg-a on every node ?", "tcpctl drain db-front/pg-a --peer all")
	c.press("esc /")
	c.write("pg-c")
	c.press("enter")
	c.sees("1 of 7")
	for range 5 {
		c.press("h")
	}
	c.sees("db-front/pg-c on edge-35: DOWN")
	c.press("d") // on this node only
	c.sees("drain db-front/pg-c on edge-35? [y/N]")
	c.press("y")
	if acts := home.peer("edge-35").acts(); len(acts) != 1 || acts[0].Act != "drain" || len(home.acts()) > 0 {
		t.Errorf("%v, %v", acts, home.acts())
	}
}

// TestEnterOpensTheCellsNode: with the cursor on the cell's backend.
func TestEnterOpensTheCellsNode(t *testing.T) {
	c, _ := fifty(t, 140, 45)
	c.press("3 v")
	c.look()
	c.press("j j l enter")
	c.look()
	if c.peer != "edge-02" || c.backends.table.CurrentID() != "db-front/pg-b" || c.focus != paneBackends {
		t.Errorf("on %q, at %q, pane %d", c.peer, c.backends.table.CurrentID(), c.focus)
	}
	c.press("esc esc esc")
	if c.away() {
		t.Error("esc does not return")
	}
	c.press("3")
	if !c.nodes.fleet.on {
		c.press("v")
	}
	c.look()
	c.press("h h enter")
	if c.away() || c.focus != paneBackends {
		t.Errorf("the own node's cell leads to %q, pane %d", c.peer, c.focus)
	}
}

func TestFleetIsAskedOnlyWhileItIsShown(t *testing.T) {
	c, home := fifty(t, 80, 24)
	c.press("3")
	c.look()
	asked := func() int { return home.peer("edge-07").times("status") }
	if n := asked(); n > 0 {
		t.Errorf("asked %d times for a list of nodes", n)
	}
	c.press("v")
	c.look()
	if asked() == 0 {
		t.Error("not asked")
	}
	c.press("esc")
	c.seesNot("fleet lab")
	before := asked()
	c.pass(time.Minute)
	if n := asked(); n != before {
		t.Errorf("asked %d times more", n-before)
	}
}
