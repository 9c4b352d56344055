//go:build unix

package mesh_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/mesh/meshtest"
)

// TestHubFigures measures the table in DESIGN.md: TCPCTL_HUB_NODES=200 nodes in this process on loopback, three of them hubs;
// TCPCTL_HUB_FULL=1 links them all instead. Without TCPCTL_HUB_NODES it is a short run of 24 nodes in a bubble, which measures
// nothing.
func TestHubFigures(t *testing.T) {
	if count, err := strconv.Atoi(os.Getenv("TCPCTL_HUB_NODES")); err == nil {
		hubFigures(t, count, nil)
		return
	}
	bubble(t, func(t *testing.T) {
		network := meshtest.New()
		t.Cleanup(network.Close)
		hubFigures(t, 24, network)
	})
}

func hubFigures(t *testing.T, count int, network *meshtest.Network) {
	full := os.Getenv("TCPCTL_HUB_FULL") != ""
	f := &figures{T: t, limit: 10 * time.Minute}
	cfg := mesh.Config{Name: fmt.Sprint("figures ", os.Getpid()), Secrets: []string{mesh.NewSecret()}, NoMDNS: true, MaxUnproven: 4096, OnStream: echoes,
		HandshakeTimeout: time.Minute, // many handshakes in one process, perhaps with the race detector
		Hubs:             []string{"hub0", "hub1", "hub2"}}
	if count <= 50 {
		cfg.FullUpTo = 8
	}
	if full {
		cfg.Hubs, cfg.MaxPeers = nil, 4096
	}
	began := time.Now()
	for i := range count {
		name := fmt.Sprint("hub", i)
		if i > 2 {
			name = fmt.Sprint("leaf", i)
		}
		cfg.Node = name
		if network != nil {
			cfg.Network = network.Host(name)
		}
		f.start(cfg)
		cfg.Join = append(cfg.Join, f.joins(i)...)
	}
	f.await("all know all", func() bool { return f.allKnow(f.nodes) })
	t.Logf("%d nodes: all know all after %v", count, time.Since(began).Round(time.Millisecond))
	if !full {
		f.await("no link but to hubs", func() bool { return f.links(f.nodes[3]) == 3 && f.links(f.nodes[count-1]) == 3 })
	}
	time.Sleep(f.settle())
	f.report()
	f.changes()
	if !full {
		f.streams()
		f.killHub()
	}
}

type figures struct {
	*testing.T
	nodes []*mesh.Node
	limit time.Duration
}

func (f *figures) start(cfg mesh.Config) {
	f.Helper()
	n, err := mesh.New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { n.Close() })
	if err := n.Listen(f.Context(), "127.0.0.1:0"); err != nil {
		f.Fatal(err)
	}
	f.nodes = append(f.nodes, n)
}

// joins returns the addresses of the first three nodes.
func (f *figures) joins(i int) []string {
	if i > 2 {
		return nil
	}
	return []string{f.nodes[i].Addr().String()}
}

func (f *figures) await(what string, ok func() bool) {
	f.Helper()
	for end := time.Now().Add(f.limit); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("never: %s", what)
		}
	}
}

func (f *figures) allKnow(nodes []*mesh.Node) bool {
	for _, n := range nodes {
		alive := 0
		for _, p := range n.Peers() {
			if p.State == meshinfo.Alive {
				alive++
			}
		}
		if alive < len(nodes)-1 {
			return false
		}
	}
	return true
}

func (f *figures) links(n *mesh.Node) int { return len(n.Conns()) }

// settle is how long the nodes are left alone, and span how long their idle cost is then measured. Both are short in
// the short run, which only shows that measuring works.
func (f *figures) settle() time.Duration {
	if len(f.nodes) < 50 {
		return 0
	}
	return 15 * time.Second
}

func (f *figures) span() time.Duration {
	if len(f.nodes) < 50 {
		return time.Second
	}
	return 10 * time.Second
}

func (f *figures) report() {
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	time.Sleep(f.span())
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	fds, _ := os.ReadDir("/proc/self/fd")
	f.Logf("links of hub0 %d, of the last node %d; idle %.1f %% of a core in all, %.2f %% a node; heap and stacks %d MiB, %d kB a node; %d goroutines, %d descriptors",
		f.links(f.nodes[0]), f.links(f.nodes[len(f.nodes)-1]), 100*cpu.Seconds()/f.span().Seconds(), 100*cpu.Seconds()/f.span().Seconds()/float64(len(f.nodes)),
		(mem.HeapAlloc+mem.StackInuse)>>20, (mem.HeapAlloc+mem.StackInuse)/1024/uint64(len(f.nodes)), runtime.NumGoroutine(), len(fds))
}

// changes measures how long a record takes to reach all nodes.
func (f *figures) changes() {
	began := time.Now()
	last := f.nodes[len(f.nodes)-1]
	if err := last.SetRecord([]byte("new")); err != nil {
		f.Fatal(err)
	}
	f.await("its record everywhere", func() bool {
		for _, n := range f.nodes {
			if p, err := n.Find(last.ID()); n != last && (err != nil || string(p.Record) != "new") {
				return false
			}
		}
		return true
	})
	f.Logf("a record is everywhere after %v", time.Since(began).Round(time.Millisecond))
}

// streams has one node talk to all others, as an act on all nodes does.
func (f *figures) streams() {
	from := f.nodes[len(f.nodes)-1]
	began := time.Now()
	errs := make(chan error, len(f.nodes))
	for _, n := range f.nodes {
		go func() {
			if n == from {
				errs <- nil
				return
			}
			c, err := from.OpenStream(context.Background(), n.ID())
			if err == nil {
				defer c.Close()
				_, err = io.WriteString(c, "x")
			}
			want := from.NodeName() + ", trusted true: x"
			got := make([]byte, len(want))
			if err == nil {
				_, err = io.ReadFull(c, got)
			}
			if err == nil && string(got) != want {
				err = fmt.Errorf("%s answers %q", n.NodeName(), got)
			}
			errs <- err
		}()
	}
	for range f.nodes {
		if err := <-errs; err != nil {
			f.Error(err)
		}
	}
	f.Logf("one node has asked all others after %v", time.Since(began).Round(time.Millisecond))
}

func (f *figures) killHub() {
	dead := f.nodes[1]
	began := time.Now()
	dead.Close()
	rest := append(f.nodes[:1:1], f.nodes[2:]...)
	f.await("all see it down, and each other", func() bool {
		for _, n := range rest {
			if _, err := n.Find(dead.ID()); err == nil {
				return false
			}
			for _, p := range n.Peers() {
				if p.ID != dead.ID() && (p.State != meshinfo.Alive || strings.Contains(p.Via, "hub1")) {
					return false
				}
			}
		}
		return true
	})
	f.Logf("a hub has gone: all see all others through another after %v", time.Since(began).Round(time.Millisecond))
}
