package mesh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
)

const (
	joinEvery       = 1500 * time.Millisecond // the longest wait between two attempts while no node answers
	resolveEvery    = 30 * time.Second        // the addresses of a name may change at any time
	joinPatience    = 5 * time.Second         // before it is reported that no node answers
	maxUnknownDials = 64
)

// JoinError means that no node answers at a Config.Join address. The address is
// still dialled, until the node is closed.
type JoinError struct {
	Addr string
	Err  error         // of the last attempt
	For  time.Duration // time since a node answered there, or since Listen
}

func (e *JoinError) Error() string {
	return fmt.Sprintf("mesh: no node has answered at the join address %s for %v: %s; still dialling", e.Addr, e.For.Round(time.Second),
		strings.TrimPrefix(e.Err.Error(), "mesh: "))
}

// Unwrap returns e.Err.
func (e *JoinError) Unwrap() error { return e.Err }

// splitJoin parses a join address. Without a port it is a name to look up as SRV.
func splitJoin(join string) (host string, port uint16, err error) {
	if !strings.Contains(join, ":") {
		if !plain.ID(join) {
			return "", 0, fmt.Errorf("mesh: join address %.80q: want host:port, or a name with SRV records", join)
		}
		if _, err := netip.ParseAddr(join); err == nil {
			return "", 0, fmt.Errorf("mesh: join address %q has no port: want host:port", join)
		}
		return join, 0, nil
	}
	host, p, err := net.SplitHostPort(join)
	if err != nil {
		return "", 0, fmt.Errorf("mesh: join address %.80q: want host:port, with an IPv6 address in brackets", join)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, fmt.Errorf("mesh: join address %.80q: want host:port, with a port from 1 to 65535", join)
	}
	return host, uint16(n), nil
}

// keepJoined dials a join address until the node closes, except while the nodes that answered there are connected.
func (n *Node) keepJoined(join string, w *runningSource) {
	answered := map[netip.AddrPort]string{} // ids of the nodes that have answered
	since, reported := time.Now(), false    // no node has answered
	var last error
	wait := backoff{min: 250 * time.Millisecond, max: joinEvery}
	for n.ctx.Err() == nil {
		addrs, err := resolve(n.ctx, join)
		if err != nil {
			last = err
			w.Warn(err.Error())
		}
		linked, err := n.callAll(addrs, answered, w)
		last = cmp.Or(err, last)
		if linked > 0 {
			since, reported = time.Now(), false
		} else if d := time.Since(since); d > joinPatience && !reported && last != nil && n.ctx.Err() == nil {
			reported = true
			if _, refused := errors.AsType[*RefusedError](last); !refused { // already reported
				n.reportError("join "+join, &JoinError{Addr: join, Err: last, For: d})
			}
		}
		if len(addrs) > 0 && linked == len(addrs) {
			wait.reset()
			w.Warn("")
			n.sleepWhileLinked(answered)
			continue
		}
		wait.sleep(n.ctx)
	}
}

// callAll dials the addresses in parallel, except those of connected nodes. It returns how many are
// then connected, and an error of one that is not.
func (n *Node) callAll(addrs []netip.AddrPort, answered map[netip.AddrPort]string, w *runningSource) (linked int, failed error) {
	// Do not wait for a node at an address that the name no longer has.
	maps.DeleteFunc(answered, func(a netip.AddrPort, _ string) bool { return !slices.Contains(addrs, a) })
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, a := range addrs {
		wg.Go(func() {
			mu.Lock()
			id := answered[a]
			mu.Unlock()
			var err error
			if !n.linkedOrSelf(id) {
				id, err = n.call(n.ctx, []netip.AddrPort{a}, w.name, false)
			}
			mu.Lock()
			defer mu.Unlock()
			if answered[a] = id; n.linkedOrSelf(id) {
				linked++
			} else if err != nil {
				failed = err
				w.Warn(err.Error())
			}
		})
	}
	wg.Wait()
	return linked, failed
}

// sleepWhileLinked returns when one of the nodes that answered is lost, or when it is time to resolve a name again.
func (n *Node) sleepWhileLinked(answered map[netip.AddrPort]string) {
	for end := time.Now().Add(resolveEvery); time.Now().Before(end) && n.ctx.Err() == nil; sleep(n.ctx, joinEvery/2) {
		for _, id := range answered {
			if !n.linkedOrSelf(id) {
				return
			}
		}
	}
}

func (n *Node) linkedOrSelf(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.peers[id]
	return id == n.id.id || p != nil && (p.link != nil || !n.wanted(p) && p.via() != nil)
}

func resolve(ctx context.Context, join string) ([]netip.AddrPort, error) {
	host, port, err := splitJoin(join)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if port != 0 {
		return resolveHost(ctx, host, port)
	}
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "tcpctl", "tcp", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, r := range records[:min(len(records), maxAddrs)] {
		addrs, hostErr := resolveHost(ctx, r.Target, r.Port)
		if hostErr != nil {
			err = hostErr // the other hosts may work
		}
		out = append(out, addrs...)
	}
	return out, err
}

func resolveHost(ctx context.Context, host string, port uint16) ([]netip.AddrPort, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, ip := range ips[:min(len(ips), maxAddrs)] {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), port))
	}
	return out, nil
}

// dialUnknown dials addresses that a Source has found without an id, once for each sighting.
func (n *Node) dialUnknown(addrs []netip.AddrPort, source string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing || n.unknownDials >= maxUnknownDials {
		return
	}
	n.unknownDials++
	n.wg.Go(func() { n.callUnknown(addrs, source) })
}

func (n *Node) callUnknown(addrs []netip.AddrPort, source string) {
	_, _ = n.call(n.ctx, addrs, source, true) // call reports refusals; after other errors the source will find it again
	n.mu.Lock()
	n.unknownDials--
	n.mu.Unlock()
}
