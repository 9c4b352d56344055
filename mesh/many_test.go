package mesh_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/mesh"
)

// many starts count nodes in this process. They find each other by mDNS over loopback, or by joining the first.
func many(t testing.TB, count int, mdns bool) (nodes []*mesh.Node) {
	t.Helper()
	hub := ""
	for i := range count {
		cfg := mesh.Config{Name: fmt.Sprintf("many %d %v", os.Getpid(), mdns), Node: fmt.Sprint("n", i), NoMDNS: !mdns,
			HandshakeTimeout: time.Minute, Suspect: 20 * time.Second, Dead: time.Minute} // for a busy machine, perhaps with the race detector
		if !mdns && i > 0 {
			cfg.Join = []string{hub}
		}
		n, err := mesh.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		if err := n.Listen(t.Context(), "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			hub = n.Addr().String()
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// ends counts the ends of connections, and fails if two connections are between the same nodes.
func ends(t testing.TB, nodes []*mesh.Node) (count int) {
	for _, n := range nodes {
		seen := map[string]bool{}
		for _, c := range n.Conns() {
			if seen[c.Peer().ID] {
				t.Fatalf("two connections between %s and %s", n.ID(), c.Peer().ID)
			}
			seen[c.Peer().ID] = true
			count++
		}
	}
	return count
}

func TestTwentyNodesForm190Connections(t *testing.T) {
	t.Parallel()
	for mdns, count := range map[bool]int{true: 20, false: 10} {
		t.Run(fmt.Sprintf("mdns %v", mdns), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			nodes, want := many(t, count, mdns), count*(count-1)
			started := time.Since(began)
			for end := began.Add(5 * time.Minute); ends(t, nodes) != want; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) { // a machine may be very busy, and the race detector very slow
					t.Fatalf("%d ends of connections after five minutes: want %d", ends(t, nodes), want)
				}
			}
			t.Logf("started in %v, %d connections after %v", started, want/2, time.Since(began))
			for range 20 { // and so it stays
				time.Sleep(50 * time.Millisecond)
				if n := ends(t, nodes); n != want {
					t.Fatalf("then %d ends of connections: want %d", n, want)
				}
			}
		})
	}
}

func TestTwoHundredStartsLeaveNothing(t *testing.T) {
	hub := start(t, mesh.Config{Node: "hub"})
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	before := goleak.IgnoreCurrent()
	fds := descriptors(t)
	for i := range rounds {
		n, err := mesh.New(mesh.Config{Name: hub.Name(), Node: "visitor", Join: []string{hub.addr()}})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Listen(t.Context(), "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // half of them while they are still connecting
			await(t, "a connection", func() bool { return len(n.Conns()) == 1 })
		}
		n.Close()
	}
	await(t, "the hub has closed its connections", func() bool { return len(hub.Conns()) == 0 })
	for len(hub.conns) > 0 {
		(<-hub.conns).Close() // the program must close them
	}
	await(t, fmt.Sprintf("no more than %d descriptors", fds), func() bool { return descriptors(t) <= fds })
	hub.stop()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}

func descriptors(t *testing.T) int {
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	return len(dir)
}
