package mesh

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// keepDialling dials the peer whenever it has no link, until it is forgotten.
func (p *peer) keepDialling() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if d, ok := p.untilDial(); ok {
			timer.Reset(d)
		} else {
			timer.Stop()
		}
		select {
		case <-p.node.ctx.Done():
			return
		case <-p.forgotten:
			return
		case <-p.wake:
		case <-timer.C:
			p.dial(p.node.ctx)
		}
	}
}

// untilDial returns the time until the next attempt; false: none is scheduled until p.wake.
func (p *peer) untilDial() (time.Duration, bool) {
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	if p.link != nil || p.nextDial.IsZero() || !p.node.wanted(p) {
		return 0, false
	}
	return max(0, time.Until(p.nextDial)), true
}

// dialAt is called with node.mu held.
func (p *peer) dialAt(t time.Time) {
	p.nextDial = t
	p.wakeUp()
}

// wakeUp makes keepDialling check again when to dial.
func (p *peer) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// foundAgain brings the next dial forward, since a source has found the peer. Called with node.mu held.
func (p *peer) foundAgain(source string) {
	if p.link != nil {
		return
	}
	if now := time.Now(); p.cause == meshinfo.Departed && source == sourcePeer && now.Sub(p.since) < 5*time.Second {
		return // a peer that reports it has not got its goodbye yet
	}
	first := p.node.firstDial(p)
	if soon := p.dialled.Add(sightingsEvery); first.Before(soon) {
		first = soon
	}
	if p.nextDial.IsZero() || p.retry.last < policyWait && first.Before(p.nextDial) {
		p.retry.reset()
		p.dialAt(first)
	}
}

// sightingsEvery is the minimum time between dials caused by sightings.
const sightingsEvery = time.Second

// firstDial returns when to dial a peer that has just been found or lost: the node with the higher id dials at once, the
// other waits lowerWaits for it.
func (n *Node) firstDial(p *peer) time.Time {
	if n.id.id < p.id {
		return time.Now().Add(lowerWaits)
	}
	return time.Now()
}

const (
	policyWait = 20 * time.Second // after a refusal that another attempt would not change
	busyWait   = 5 * time.Second
)

func (p *peer) dial(ctx context.Context) {
	n := p.node
	n.mu.Lock()
	if p.link != nil || p.nextDial.IsZero() || !n.wanted(p) { // the peer has dialled us meanwhile
		n.mu.Unlock()
		return
	}
	addrs := slices.DeleteFunc(slices.Clone(p.addrs), func(a netip.AddrPort) bool { return time.Since(p.wrongAddrs[a]) < policyWait })
	p.nextDial, p.dialled = time.Time{}, time.Now()
	unverified := p.neverConnected()
	n.mu.Unlock()
	id, err := n.call(ctx, addrs, p.foundBy, unverified)
	if err == nil && id != p.id {
		err = errors.New("mesh: another node answers at its address")
	}

	n.mu.Lock()
	defer n.mu.Unlock()
	if p.link != nil || err == nil {
		return
	}
	p.detail = err.Error()
	wait := p.retry.next()
	if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Reason != meshinfo.ReasonDuplicate && refused.Reason != meshinfo.ReasonLeaving {
		p.retry.last = policyWait
		wait = policyWait
	}
	if _, ok := errors.AsType[*handshakeError](err); ok {
		wait = min(4*wait, busyWait) // the peer's process is busy or stopped: dialling more often does not help
	}
	if again := time.Now().Add(wait); p.nextDial.IsZero() || p.nextDial.After(again) {
		p.nextDial = again
	}
}

// backoff doubles from min to max. Each wait is up to 30% shorter at random, so that nodes that lost each other at the same
// moment do not dial each other at the same moments.
type backoff struct {
	min, max time.Duration
	last     time.Duration
}

func (b *backoff) next() time.Duration {
	b.last = min(max(b.min, 2*b.last), b.max)
	return b.last - rand.N(b.last*3/10+1)
}

func (b *backoff) reset() { b.last = 0 }

// sleep waits until the next attempt, or until ctx ends.
func (b *backoff) sleep(ctx context.Context) { sleep(ctx, b.next()) }

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
