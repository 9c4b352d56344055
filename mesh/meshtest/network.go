// Package meshtest is a network in memory, with partitions, delay and loss, to test programs that use package mesh.
//
//	net := meshtest.New()
//	defer net.Close()
//	a, b := net.Host("a"), net.Host("b")
//	nodeA, err := mesh.New(a.Config(mesh.Config{Name: "test"}))
//	nodeB, err := mesh.New(b.Config(mesh.Config{Name: "test"}))
//	…
//	net.Cut(a, b) // and later net.Heal()
//
// It uses no sockets and keeps time by package time alone, so that it runs in a testing/synctest bubble, where seconds
// cost nothing.
package meshtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
)

// Network connects hosts. Its methods may be called at any time.
type Network struct {
	mu      sync.Mutex
	hosts   []*Host
	cut     map[[2]*Host]bool
	delay   time.Duration
	loss    float64
	changed chan struct{} // closed and replaced when the network changes
	closed  bool
}

// New returns a network without delay and loss.
func New() *Network {
	emptyPools()
	return &Network{cut: map[[2]*Host]bool{}, changed: make(chan struct{})}
}

// Host adds a host with its own address, from 10.77.0.1 on. Several nodes may run
// on one host.
func (n *Network) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := len(n.hosts) + 1
	h := &Host{net: n, name: name, ip: netip.AddrFrom4([4]byte{10, 77, byte(i >> 8), byte(i)}), ports: map[uint16]*listener{}, nextPort: 7000}
	n.hosts = append(n.hosts, h)
	return h
}

// Cut cuts the network between two hosts, in both directions, like a pulled
// cable: data that was sent arrives after Heal, as TCP retransmits it, and no
// dial is refused.
func (n *Network) Cut(a, b *Host) {
	n.change(func() { n.cut[pair(a, b)] = true })
}

// Partition cuts every host of one group off from every host of another. Hosts in no group reach all others.
func (n *Network) Partition(groups ...[]*Host) {
	n.change(func() {
		for i, g := range groups {
			for _, other := range groups[i+1:] {
				for _, a := range g {
					for _, b := range other {
						n.cut[pair(a, b)] = true
					}
				}
			}
		}
	})
}

// Heal undoes Cut and Partition.
func (n *Network) Heal() { n.change(func() { clear(n.cut) }) }

// SetDelay sets the one-way delay of data that is sent from now on.
func (n *Network) SetDelay(d time.Duration) { n.change(func() { n.delay = d }) }

// SetLoss sets the share of packets that are lost, 0 to 1. A lost announcement
// does not arrive; a lost part of a connection arrives 200 ms later, as TCP
// retransmits it, and delays what follows.
func (n *Network) SetLoss(share float64) { n.change(func() { n.loss = share }) }

// emptyPools runs the garbage collector twice, which empties every sync.Pool. Package yamux has a process-wide pool of
// timers, and using a timer of one synctest bubble in another, or outside, panics.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// Close closes all listeners and connections. Close the nodes before: this keeps
// their work in a synctest bubble apart from the rest of the program.
func (n *Network) Close() {
	n.change(func() { n.closed = true })
	n.mu.Lock()
	hosts := n.hosts
	n.mu.Unlock()
	for _, h := range hosts {
		h.Crash()
	}
	emptyPools()
}

func (n *Network) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

func pair(a, b *Host) [2]*Host {
	if b.ip.Less(a.ip) {
		a, b = b, a
	}
	return [2]*Host{a, b}
}

// path returns the state of the network between two hosts; changed is closed when it may have changed.
func (n *Network) path(a, b *Host) (open bool, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.cut[pair(a, b)], n.changed
}

// latency returns the delay of the next part of a connection.
func (n *Network) latency() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.delay
	for n.loss > 0 && rand.Float64() < n.loss && d < 5*time.Second {
		d += 200 * time.Millisecond
	}
	return d
}

// Host is one machine: a mesh.Network for the nodes on it, and the mesh.Source by
// which they find nodes on other hosts.
type Host struct {
	net      *Network
	name     string
	ip       netip.Addr
	frozen   bool // under net.mu, as all below
	ports    map[uint16]*listener
	nextPort uint16
	ends     []*end
	seekers  []*seeker
}

// Config returns c completed so that its node runs on this host.
func (h *Host) Config(c mesh.Config) mesh.Config {
	c.Network = h
	c.Sources = append(c.Sources, h)
	c.Node = cmp.Or(c.Node, h.name)
	return c
}

// Conns returns how many connections the nodes on this host have open.
func (h *Host) Conns() int {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return len(h.ends)
}

// Addr returns the host's address.
func (h *Host) Addr() netip.Addr { return h.ip }

// Crash closes every connection and listener, as the kernel does when a process
// dies. The nodes do not notice: close them, too.
func (h *Host) Crash() {
	h.net.mu.Lock()
	ends := h.ends
	h.ends = nil
	listeners := slices.Collect(maps.Values(h.ports))
	h.net.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	for _, e := range ends {
		e.Close()
	}
}

// Freeze stops the host's processes but not its kernel, as SIGSTOP does:
// connections are accepted and data is acknowledged, but nothing is read or
// written. Thaw undoes it.
func (h *Host) Freeze() { h.net.change(func() { h.frozen = true }) }

// Thaw undoes Freeze.
func (h *Host) Thaw() { h.net.change(func() { h.frozen = false }) }

func (h *Host) isFrozen() (frozen bool, changed <-chan struct{}) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.frozen, h.net.changed
}

// Listen listens on the host's address, whatever the address in addr.
func (h *Host) Listen(_ context.Context, addr string) (net.Listener, error) {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	var number uint16
	if _, err := fmt.Sscan(p, &number); err != nil {
		return nil, fmt.Errorf("meshtest: port %q: %w", p, err)
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if number == 0 {
		number = h.nextPort
		h.nextPort++
	}
	if h.ports[number] != nil || h.net.closed {
		return nil, fmt.Errorf("meshtest: %s port %d: address already in use", h.name, number)
	}
	l := &listener{host: h, addr: netip.AddrPortFrom(h.ip, number), queue: make(chan net.Conn, 1024), done: make(chan struct{})}
	h.ports[number] = l
	return l, nil
}

// Dial connects to another host. While the two are cut off from each other, it
// waits until ctx is done.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	l := h.net.find(to)
	for l != nil {
		open, changed := h.net.path(h, l.host)
		frozen, _ := h.isFrozen()
		if open && !frozen {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("meshtest: dial %s: %w", addr, ctx.Err())
		}
	}
	if l == nil {
		return nil, fmt.Errorf("meshtest: dial %s: connection refused", addr)
	}
	return h.connect(l)
}

func (n *Network) find(to netip.AddrPort) *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hosts {
		if h.ip == to.Addr() {
			return h.ports[to.Port()]
		}
	}
	return nil
}
