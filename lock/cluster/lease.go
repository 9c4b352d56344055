package cluster

import "time"

// A node counts nine tenths of a lease from the moment at which it sent the renewal, a
// leader the whole lease from the moment at which it received it: the node considers
// the lease over first as long as neither clock runs more than a ninth faster than the
// other. The clocks may show different times, but must run while the system sleeps
// (CLOCK_BOOTTIME).
func nodeLease(lease time.Duration) time.Duration { return lease / 10 * 9 }

// renewEvery is the time between two renewals: several may be lost.
func renewEvery(lease time.Duration) time.Duration { return lease / 6 }

// An agentLease is a lease as its node knows it.
type agentLease struct {
	number  uint64        // 0: none
	last    uint64        // the number of the previous lease
	until   time.Duration // when it ends, unless it is renewed
	lost    bool          // until has passed, and holders were dealt with
	renewal uint64        // number of the last renewal
	sent    [16]time.Duration
}

// runs reports whether the node may let clients in.
func (l *agentLease) runs(now time.Duration) bool { return l.number > 0 && !l.lost && now < l.until }

// renew returns the number of a renewal that is sent now.
func (l *agentLease) renew(now time.Duration) uint64 {
	l.renewal++
	l.sent[l.renewal%uint64(len(l.sent))] = now
	return l.renewal
}

// renewed counts the lease from when the renewal was sent. A renewal older than those
// remembered has run out anyway.
func (l *agentLease) renewed(now time.Duration, renewal uint64, lease time.Duration) {
	if renewal == 0 || renewal > l.renewal || l.renewal-renewal >= uint64(len(l.sent)) {
		return
	}
	until := l.sent[renewal%uint64(len(l.sent))] + nodeLease(lease)
	if until > l.until {
		l.until = until
	}
	if now < l.until {
		l.lost = false
	}
}
