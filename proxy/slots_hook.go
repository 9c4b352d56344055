package proxy

import (
	"errors"
	"time"

	"github.com/tcpctl/tcpctl/lock"
)

// errLeaseLost ends a hook whose slot is lost with the node's lease: the hook runs
// again for the slot's next holder.
var errLeaseLost = errors.New("the lease of this node is over")

// grantHooks is a grant whose hooks run, or have run, before its session is admitted.
// Its slot stays taken meanwhile, even if its client leaves.
type grantHooks struct {
	SharedGrant  // Token 0: no grant
	arrival      uint64
	expire, next bool // on_expire, before_next: done, or skipped
	over         bool // its client has gone
}

// hooksLocked admits a session with its grant once the required hooks have run: tokens
// count the clients over all nodes.
func (sh *sharedState) hooksLocked(sess *Session, grant SharedGrant, now time.Time) (lock.Decision, Reason) {
	h := &sh.service.hooks
	cfg := &sh.service.config().Hooks
	if sh.grant.Token != grant.Token {
		sh.grant = grantHooks{SharedGrant: grant, arrival: sess.waiter.Arrival()}
	}
	switch call := (HookCall{Count: int(grant.Token), Token: grant.Token}); sh.nextHookLocked() {
	case onExpire:
		call.Reason = onExpire
		return h.beginLocked(cfg.OnExpire, call, sess, now)
	case beforeNext:
		call.Reason = beforeNext
		return h.beginLocked(cfg.BeforeNext, call, sess, now)
	}
	if grant.Expired || grant.Hook {
		if _, why := sh.slots.Admit(sh.grant.arrival, grant.Token); why != "" {
			return lock.Wait, why // lost just now
		}
	}
	sh.grant = grantHooks{}
	sess.rare.token = grant.Token
	return lock.Admit, ""
}

// nextHookLocked returns the next hook to run for the grant; "": none.
func (sh *sharedState) nextHookLocked() string {
	g, cfg := &sh.grant, &sh.service.config().Hooks
	switch {
	case g.Expired && cfg.OnExpire.set() && !g.expire:
		return onExpire
	case g.Hook && cfg.BeforeNext.set() && !g.next:
		return beforeNext
	}
	return ""
}

// passedLocked records that a hook has run, or that clients continue without it.
func (sh *sharedState) passedLocked(hook string) {
	switch hook {
	case onExpire:
		sh.grant.expire = true
	case beforeNext:
		sh.grant.next = true
	}
}

// giveBackLocked returns the slot of a client that left while its hooks ran, or before
// it was admitted after them, once no hook runs for it. Hooks that have run are not
// owed to the next.
func (sh *sharedState) giveBackLocked() {
	g := sh.grant
	if !g.over || sh.service.hooks.ofGrantLocked() {
		return
	}
	if sh.nextHookLocked() == "" {
		sh.slots.Admit(g.arrival, g.Token)
	}
	sh.grant = grantHooks{}
	sh.slots.Done(g.arrival)
}

// verifyLocked ends a hook whose slot is lost.
func (sh *sharedState) verifyLocked() {
	g, h := sh.grant, &sh.service.hooks
	if g.Token == 0 {
		return
	}
	if held, why := sh.slots.Admit(g.arrival, 0); why == "" && held.Token == g.Token {
		return
	}
	sh.grant = grantHooks{}
	if h.ofGrantLocked() {
		h.cancel(errLeaseLost)
	}
	if g.over {
		sh.slots.Done(g.arrival)
	}
}
