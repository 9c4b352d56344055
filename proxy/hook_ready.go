package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// errNotReady says that a backend did not come back in time.
var errNotReady = errors.New("proxy: no backend came back in time")

// awaitReady waits for the condition that must hold after a hook.
func (h *hookState) awaitReady(ctx context.Context, how string) error {
	s := h.service
	setDefault(&how, ReadyCheck)
	var all []*Backend
	s.queue.View(func() {
		for _, b := range s.backends.all {
			if b.admin() == AdminReady {
				all = append(all, b)
			}
		}
	})
	switch {
	case how == ReadyNone || len(all) == 0:
		return nil
	case how == ReadyConnect:
		return h.awaitConnect(ctx, all[0])
	case s.config().Check.Type == health.None:
		return nil
	}
	return s.backends.awaitGood(ctx, all, 1)
}

func (h *hookState) awaitConnect(ctx context.Context, b *Backend) error {
	s := h.service
	ctx, cancel := context.WithTimeout(ctx, b.config().readyTimeout())
	defer cancel()
	for {
		var check health.Check
		s.queue.View(func() { check = b.checkLocked(health.TCP, b.addr) })
		check.Timeout, check.Polite = s.config().ConnectTimeout, true
		r := check.Run(ctx)
		if r.OK {
			return nil
		}
		if lack := relay.LackOf(r.Err); lack != "" {
			s.engine.noteLack(lack, "check of "+b.target(), r.Err)
		}
		select {
		case <-ctx.Done():
			return errNotReady
		case <-time.After(health.Urgent):
		}
	}
}

// awaitGood waits for successful checks of backends that begin from now on (rule 11), as
// many in a row as after a down, until enough of them are up.
func (bs *backendSet) awaitGood(ctx context.Context, of []*Backend, enough int) error {
	s := bs.service
	limit := time.Duration(0)
	s.queue.Update(func() {
		for _, b := range of {
			b.demandLocked()
			limit = max(limit, b.cfg.readyTimeout())
		}
	})
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := s.changes.await(ctx, func() bool {
		up := 0
		for _, b := range of {
			if b.tracker.Up() {
				up++
			}
		}
		return up >= enough
	})
	if err == nil {
		return nil
	}
	s.queue.Update(func() {
		for _, b := range of {
			b.tracker.Fail()
		}
	})
	return errNotReady
}

// probe checks once, after a failed hook, whether its condition holds nevertheless:
// with a check of each backend that is ready, or a connect if there are no checks. It
// reports whether one of them answers, and the results of those that do not.
func (h *hookState) probe(ctx context.Context, how string) (met bool, bad map[*Backend]health.Result) {
	s := h.service
	kinds := map[*Backend]health.Check{}
	s.queue.View(func() {
		kind := s.config().Check.Type
		if how == ReadyConnect || how == ReadyNone || kind == health.None || kind == health.Passive {
			kind = health.TCP
		}
		for _, b := range s.backends.all {
			if b.admin() != AdminReady {
				continue
			}
			addr := b.checkAddr()
			if how == ReadyConnect {
				addr = b.addr
			}
			c := b.checkLocked(kind, addr)
			c.Polite = true
			kinds[b] = c
		}
	})
	bad = map[*Backend]health.Result{}
	for b, c := range kinds {
		r := b.runCheck(ctx, c)
		if r.OK {
			met = true
		} else if lack := relay.LackOf(r.Err); lack != "" {
			s.engine.noteLack(lack, "check of "+b.target(), r.Err) // not the backend's fault
		} else {
			bad[b] = r
		}
	}
	return met || len(kinds) == 0, bad
}
