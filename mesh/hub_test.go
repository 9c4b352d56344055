package mesh_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

// hubTest has the nodes of a test in a bubble, one host each; the first three are hubs.
type hubTest struct {
	t     *testing.T
	net   *meshtest.Network
	hosts []*meshtest.Host
	nodes []*node
	keys  []ed25519.PrivateKey
	cfg   mesh.Config
}

// hubbed runs f with count nodes that know each other; full is their Config.FullUpTo.
func hubbed(t *testing.T, count, full int, f func(h *hubTest)) {
	bubble(t, func(t *testing.T) {
		h := &hubTest{t: t, net: meshtest.New(), cfg: mesh.Config{Name: "hubbed", Secrets: []string{mesh.NewSecret()},
			Hubs: []string{"hub0", "hub1", "hub2"}, FullUpTo: full, OnConn: func(*mesh.Conn) {}, OnStream: echoes}}
		defer h.net.Close()
		for range count {
			h.join()
		}
		defer func() {
			for _, n := range h.nodes {
				n.stop()
			}
		}()
		h.awaitAll(h.nodes)
		f(h)
	})
}

// start starts node i, which has the same id each time.
func (h *hubTest) start(i int) *node {
	cfg := h.hosts[i].Config(h.cfg)
	cfg.Key = h.keys[i]
	return start(h.t, cfg)
}

// join starts one more node: a hub, if it is one of the first three.
func (h *hubTest) join() *node {
	i := len(h.nodes)
	name := fmt.Sprint("hub", i)
	if i > 2 {
		name = fmt.Sprint("leaf", i)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.hosts, h.keys = append(h.hosts, h.net.Host(name)), append(h.keys, key)
	h.nodes = append(h.nodes, h.start(i))
	return h.nodes[i]
}

// echoes sends each line back, with its sender's name.
func echoes(p meshinfo.Peer, c net.Conn) {
	defer c.Close()
	buf := make([]byte, 1024)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "%s, trusted %v: %s", p.Name, p.Trusted, buf[:n])
	}
}

// awaitAll waits until each of the nodes sees all others alive.
func (h *hubTest) awaitAll(nodes []*node) {
	h.t.Helper()
	for _, a := range nodes {
		for _, b := range nodes {
			if a != b {
				a.awaitAlive(b.name)
			}
		}
	}
}

// awaitHubbed waits until each node that is not a hub has links to the hubs only.
func (h *hubTest) awaitHubbed(nodes []*node) {
	h.t.Helper()
	for _, a := range nodes {
		defer func() {
			for _, p := range a.Peers() {
				if h.t.Failed() {
					h.t.Logf("%s sees %s %s %s through %q: %s", a.name, p.Name, p.State, p.Cause, p.Via, p.Detail)
				}
			}
		}()
		await(h.t, a.name+" is linked to hubs only", func() bool {
			return !slices.ContainsFunc(a.Peers(), func(p meshinfo.Peer) bool {
				linked := p.State == meshinfo.Alive && p.Via == ""
				return linked != (a.isHub() || strings.HasPrefix(p.Name, "hub")) && p.State != meshinfo.Down
			})
		})
	}
}

func (n *node) isHub() bool { return strings.HasPrefix(n.name, "hub") }

// wantNever fails if one of the nodes has seen an event of this kind of another.
func (h *hubTest) wantNever(nodes []*node, kind string) {
	h.t.Helper()
	for _, a := range nodes {
		for _, b := range nodes {
			for _, e := range a.events.of(b.name) {
				if strings.HasPrefix(e, kind) {
					h.t.Errorf("%s saw of %s: %q", a.name, b.name, a.events.of(b.name))
				}
			}
		}
	}
}

// say sends text over a new stream and expects its echo.
func (n *node) say(t *testing.T, to, text string) {
	t.Helper()
	c, err := n.OpenStream(context.Background(), to)
	if err != nil {
		t.Errorf("%s to %s: %v", n.name, to, err)
		return
	}
	defer c.Close()
	write(t, c, text)
	read(t, c, fmt.Sprintf("%s, trusted true: %s", n.name, text))
}

func TestRule53PastTheThresholdNodesLinkToHubsOnly(t *testing.T) {
	hubbed(t, 9, 5, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		leaf := h.nodes[8]
		if p, _ := leaf.peer("leaf5"); !strings.HasPrefix(p.Via, "hub") || !p.Trusted || p.Addr == "" || p.RTTSeconds < 0 {
			t.Errorf("it sees another node as %+v", p)
		}
		if got := len(leaf.Conns()); got != 3 {
			t.Errorf("%d connections of the program's: want 3", got)
		}
		h.nodes[5].SetRecord([]byte("how leaf5 is"))
		await(t, "its record", func() bool {
			p, _ := leaf.peer("leaf5")
			return string(p.Record) == "how leaf5 is"
		})
		leaf.say(t, "leaf5", "hello through a hub")
		leaf.say(t, "hub1", "hello")
		h.nodes[0].say(t, "leaf8", "hello from a hub")
		time.Sleep(time.Minute)
		h.wantNever(h.nodes, "down")
		h.wantNever(h.nodes, "suspect")
		h.awaitHubbed(h.nodes)
	})
}

func TestRule53BelowTheThresholdAllNodesAreLinked(t *testing.T) {
	hubbed(t, 6, 6, func(h *hubTest) {
		time.Sleep(time.Minute)
		for _, n := range h.nodes {
			if got := len(n.Conns()); got != 5 {
				t.Errorf("%s has %d connections: want 5", n.name, got)
			}
			if s := n.Status(); s.HubMode || len(s.Hubs) != 3 {
				t.Errorf("%s: hub mode %v, hubs %q", n.name, s.HubMode, s.Hubs)
			}
		}
	})
}

func TestRule53aAHubDies(t *testing.T) {
	hubbed(t, 9, 5, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		h.nodes[1].stop()
		h.hosts[1].Crash()
		rest := slices.Delete(slices.Clone(h.nodes), 1, 2)
		for _, n := range rest {
			n.awaitDown("hub1")
		}
		time.Sleep(time.Minute)
		h.awaitAll(rest)
		h.wantNever(rest, "down")
		h.awaitHubbed(rest)
		rest[3].say(t, "leaf7", "hello through another hub")

		h.nodes[1] = h.start(1)
		h.awaitAll(h.nodes)
		h.awaitHubbed(h.nodes)
		h.wantNever(rest, "down")
	})
}

// asks returns the hub that reports on other nodes to n; "": n is asking two, or none.
func (n *node) asks() (hub string) {
	for _, p := range n.Peers() {
		switch {
		case p.Via == "" || p.Via == hub:
		case hub == "":
			hub = p.Via
		default:
			return ""
		}
	}
	return hub
}

// TestRule53aAHubThatIsBackIsAskedAgain: by the nodes that asked it before, one after another, and no node is unknown meanwhile.
func TestRule53aAHubThatIsBackIsAskedAgain(t *testing.T) {
	hubbed(t, 9, 5, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		time.Sleep(time.Minute) // until each asks its preferred hub
		lost := slices.IndexFunc(h.nodes, func(n *node) bool { return n.name == h.nodes[8].asks() })
		var asked, rest []*node
		for i, n := range h.nodes {
			if i != lost {
				rest = append(rest, n)
			}
			if n.asks() == h.nodes[lost].name && !n.isHub() {
				asked = append(asked, n)
			}
		}
		h.nodes[lost].stop()
		h.hosts[lost].Crash()
		time.Sleep(10 * time.Second)
		for _, n := range asked {
			if hub := n.asks(); hub == "" || hub == h.nodes[lost].name {
				t.Errorf("%s asks %q while %s is down", n.name, hub, h.nodes[lost].name)
			}
		}
		back := time.Now()
		h.nodes[lost] = h.start(lost)
		again := map[*node]time.Duration{}
		for len(again) < len(asked) && time.Since(back) < limit {
			for _, n := range asked {
				if _, ok := again[n]; !ok && n.asks() == h.nodes[lost].name {
					again[n] = time.Since(back)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		for _, n := range asked {
			if again[n] < 30*time.Second || again[n] > 40*time.Second { // 30 s, and 0.3 s for each node
				t.Errorf("%s asked %s again after %v", n.name, h.nodes[lost].name, again[n])
			}
		}
		h.wantNever(rest, "down")
		h.wantNever(rest, "suspect")
		h.nodes[8].say(t, "leaf4", "hello through a hub that was away")
	})
}

func TestRule53aWithoutHubsNodesLinkToEachOther(t *testing.T) {
	hubbed(t, 7, 5, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		for i := range 3 {
			h.nodes[i].stop()
			h.hosts[i].Crash()
		}
		leaves := h.nodes[3:]
		for _, n := range leaves {
			await(t, n.name+" is linked to the others", func() bool { return len(n.Conns()) == len(leaves)-1 })
		}
		leaves[0].say(t, "leaf5", "hello without a hub")

		for i := range 3 { // restart the hubs: a link in use stays
			h.nodes[i] = h.start(i)
		}
		c, err := leaves[0].OpenStream(context.Background(), "leaf4")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		write(t, c, "still here")
		read(t, c, "leaf3, trusted true: still here")
		c.Close()
		h.awaitAll(h.nodes)
		h.awaitHubbed(h.nodes)
	})
}

func TestRule53aAPartitionWithHubsHeals(t *testing.T) {
	hubbed(t, 9, 5, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		// One hub and two nodes are cut off from the others.
		one, other := []int{0, 3, 4}, []int{1, 2, 5, 6, 7, 8}
		group := func(of []int) (hosts []*meshtest.Host, nodes []*node) {
			for _, i := range of {
				hosts, nodes = append(hosts, h.hosts[i]), append(nodes, h.nodes[i])
			}
			return hosts, nodes
		}
		hostsOne, nodesOne := group(one)
		hostsOther, nodesOther := group(other)
		h.net.Partition(hostsOne, hostsOther)
		for _, a := range nodesOne {
			for _, b := range nodesOther {
				a.awaitDown(b.name)
				b.awaitDown(a.name)
			}
		}
		h.wantNever(nodesOne, "down")
		h.wantNever(nodesOther, "down")
		nodesOne[1].say(t, "leaf4", "hello on this side")
		time.Sleep(time.Minute)
		h.net.Heal()
		h.awaitAll(h.nodes)
		h.awaitHubbed(h.nodes)
		nodesOne[1].say(t, "leaf8", "hello on the other side")
	})
}

// Two nodes that have no hub in common reach each other through two hubs.
func TestRule53dStreamsThroughTwoHubs(t *testing.T) {
	hubbed(t, 8, 5, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		for _, cut := range [][2]int{{6, 1}, {6, 2}, {7, 0}, {6, 7}} {
			h.net.Cut(h.hosts[cut[0]], h.hosts[cut[1]])
		}
		time.Sleep(time.Minute)
		h.awaitAll(h.nodes)
		h.nodes[6].say(t, "leaf7", "hello through two hubs")
		h.nodes[7].say(t, "leaf6", "and back")
		h.net.Heal()
		h.awaitHubbed(h.nodes)
	})
}

func TestRule53ANodeThatDepartsIsToldOf(t *testing.T) {
	hubbed(t, 7, 4, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		h.nodes[6].stop()
		for _, n := range h.nodes[:6] {
			if p := n.awaitDown("leaf6"); p.Cause != meshinfo.Departed {
				t.Errorf("%s saw it %s: want departed", n.name, p.Cause)
			}
		}
		h.nodes = h.nodes[:6]
	})
}

func TestRule53dManyBytesThroughAHub(t *testing.T) {
	hubbed(t, 6, 4, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		c, err := h.nodes[4].OpenStream(context.Background(), "leaf5")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const size = 4 << 20
		sent := make(chan error, 1)
		go func() { // echoes answers while this writes, so that neither side blocks the other for ever
			_, err := io.CopyN(c, endless{}, size)
			sent <- err
		}()
		if _, err := io.CopyN(io.Discard, c, size); err != nil {
			t.Error(err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

// TestRule53bWhatStaysWhenThereAreFew: all nodes link to each other, open streams through a hub continue, and the relays
// close once they carry none.
func TestRule53bWhatStaysWhenThereAreFew(t *testing.T) {
	hubbed(t, 9, 7, func(h *hubTest) {
		h.awaitHubbed(h.nodes)
		if got := h.hosts[3].Conns(); got <= 6 {
			t.Errorf("%d connections: none is for streams through hubs", got)
		}
		c, err := h.nodes[3].OpenStream(context.Background(), "leaf4")
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, "through a hub")
		read(t, c, "leaf3, trusted true: through a hub")
		for _, n := range h.nodes[5:] {
			n.stop()
		}
		few := h.nodes[:5]
		for _, n := range few {
			await(t, n.name+" is linked to all", func() bool { return len(n.Conns()) == 4 && !n.Status().HubMode })
		}
		time.Sleep(time.Minute)
		write(t, c, "still")
		read(t, c, "leaf3, trusted true: still")
		few[3].say(t, "leaf4", "hello")
		c.Close()
		for i := range few { // a link and the program's connection to each
			await(t, few[i].name+" has no connection but for its links", func() bool { return h.hosts[i].Conns() == 8 })
		}
		for range 3 { // and once more in the other direction
			h.join()
		}
		h.nodes = append(h.nodes[:5], h.nodes[9:]...)
		h.awaitAll(h.nodes)
		h.awaitHubbed(h.nodes)
		few[4].say(t, "leaf3", "hello through a hub again")
		h.wantNever(few[:5], "suspect")
	})
}

// TestRule53cANodeThatJoinsFew: it is linked to all at once, since those already running dial it.
func TestRule53cANodeThatJoinsFew(t *testing.T) {
	hubbed(t, 5, 50, func(h *hubTest) {
		time.Sleep(time.Minute)
		began := time.Now()
		n := h.join()
		for _, other := range h.nodes[:5] {
			n.awaitAlive(other.name)
		}
		if took := time.Since(began); took >= 3*time.Second { // hubsFirst, in which it dials only hubs
			t.Errorf("it was linked to all after %v", took)
		}
	})
}

// TestRule53cNodesThatStartAtOnce: they dial only hubs, which find out that there are many.
func TestRule53cNodesThatStartAtOnce(t *testing.T) {
	hubbed(t, 3, 6, func(h *hubTest) {
		time.Sleep(time.Minute)
		for range 12 {
			h.join()
		}
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			for _, n := range h.nodes[3:] {
				if got := len(n.Conns()); got > 3 {
					t.Errorf("%s is linked to %d nodes", n.name, got)
				}
			}
		}
		h.awaitAll(h.nodes)
		h.awaitHubbed(h.nodes)
	})
}
