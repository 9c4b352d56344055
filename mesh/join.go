package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
)

const (
	joinEvery    = 1500 * time.Millisecond // the longest wait between two attempts while nobody answers
	resolveEvery = 30 * time.Second        // a name may get new addresses while all is well
	joinPatience = 5 * time.Second         // with an address where nobody answers, before anybody is told
	maxStrangers = 64
)

// JoinError says that nobody answers at a Config.Join address. It is dialled all the same, for as long as the node lives.
type JoinError struct {
	Addr string
	Err  error // what came of the last attempt
	For  time.Duration
}

func (e *JoinError) Error() string {
	return fmt.Sprintf("mesh: nobody has answered at the join address %s for %v: %s; it is dialled again and again", e.Addr, e.For.Round(time.Second),
		strings.TrimPrefix(e.Err.Error(), "mesh: "))
}

// Unwrap is Err.
func (e *JoinError) Unwrap() error { return e.Err }

// splitJoin reads a join address. Without a port it is a name to look up as SRV.
func splitJoin(join string) (host string, port uint16, err error) {
	if !strings.Contains(join, ":") {
		if !plain.ID(join) {
			return "", 0, fmt.Errorf("mesh: join address %q: want host:port, or a name with SRV records", join)
		}
		if _, err := netip.ParseAddr(join); err == nil {
			return "", 0, fmt.Errorf("mesh: join address %q has no port", join)
		}
		return join, 0, nil
	}
	host, p, err := net.SplitHostPort(join)
	if err != nil {
		return "", 0, fmt.Errorf("mesh: join address %q: %w", join, err)
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, fmt.Errorf("mesh: join address %q: want host:port", join)
	}
	return host, uint16(n), nil
}

// seek dials a join address for ever: whoever answers there becomes a peer, and while it is one there is nothing to do.
func (n *Node) seek(join string, w *watched) {
	defer n.wg.Done()
	var mu sync.Mutex
	answered := map[netip.AddrPort]string{} // the id of who answered there
	since, told := time.Now(), false        // nobody has answered, and OnError has heard of it
	var last error
	wait := backoff{min: 250 * time.Millisecond, max: joinEvery}
	for n.ctx.Err() == nil {
		addrs, err := resolve(n.ctx, join)
		if err != nil {
			last = err
			w.Warn(err.Error())
		}
		linked := 0
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
					last = err
					w.Warn(err.Error())
				}
			})
		}
		wg.Wait()
		if linked > 0 {
			since, told = time.Now(), false
		} else if d := time.Since(since); d > joinPatience && !told && last != nil && n.ctx.Err() == nil {
			told = true
			if _, refused := errors.AsType[*RefusedError](last); !refused { // which is told of by itself
				n.complain("join "+join, &JoinError{Addr: join, Err: last, For: d})
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

// sleepWhileLinked returns when one of those that answered is lost, or a name is due to be resolved again.
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
	return id == n.id.id || p != nil && p.link != nil
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
			err = hostErr // the others may do
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

// seekStranger dials an address that a Source found without knowing whose it is, once for each sighting.
func (n *Node) seekStranger(addrs []netip.AddrPort, source string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing || n.strangers >= maxStrangers {
		return
	}
	n.strangers++
	n.wg.Add(1)
	go n.meetStranger(addrs, source)
}

func (n *Node) meetStranger(addrs []netip.AddrPort, source string) {
	defer n.wg.Done()
	_, _ = n.call(n.ctx, addrs, source, true) // a refusal is reported by call; for the rest, the source will see it again
	n.mu.Lock()
	n.strangers--
	n.mu.Unlock()
}
