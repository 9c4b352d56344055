package proxy

import (
	"net/netip"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/internal/balance"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// QuietSettle is how long a client may send after the FIN of a quiet moment.
const QuietSettle = quietSettle

// PanicIn makes one step of some sessions panic, in engines that this test makes and
// closes: the step for the named event, after it was handled.
func PanicIn(t testing.TB, event string, who func(id string) bool) {
	was := stages
	t.Cleanup(func() { stages = was })
	at, kind := map[string]uint8{"open": 0, "admit": 1, "dial": 2, "connected": 2, "carry": 3, "told": 3, "ended": 3, "last": 3}[event],
		map[string]relay.Kind{"connected": relay.Connected, "told": relay.Signal, "ended": relay.Ended, "last": relay.Ended}[event]
	stages[at] = func(s *Session, ev relay.Event) transition {
		if kind == relay.Signal && ev.Kind == kind && who(s.ID()) {
			panic("injected")
		}
		a := was[at](s, ev)
		if ev.Kind == kind && ev.Last == (event == "last") && who(s.ID()) {
			panic("injected")
		}
		return a
	}
}

// brokenPolicy panics once.
type brokenPolicy struct {
	balance.Policy
	over bool
}

func (p *brokenPolicy) Pick(from []*balance.Backend, client netip.Addr) *balance.Backend {
	if !p.over {
		p.over = true
		panic("injected")
	}
	return p.Policy.Pick(from, client)
}

// BreakPolicy makes the service's next choice between backends panic.
func BreakPolicy(s *Service) {
	s.queue.Do(func() { s.backends.policy = &brokenPolicy{Policy: s.backends.policy} })
}

// GuardOf is the guard of a roll for one backend.
func GuardOf(b *Backend, others []ClusterView, o PlanOptions) (string, error) {
	return b.guard(others, &o)
}
