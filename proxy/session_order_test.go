package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var errNoPort = syscall.EADDRNOTAVAIL

// kinds are services whose sessions take different paths.
var kinds = []struct {
	name     string
	config   ServiceConfig
	protocol bool
}{
	{name: "plain"},
	{name: "locked", config: ServiceConfig{Lock: LockConfig{Slots: 1, TTL: 3 * time.Second}}},
	{name: "rejecting", config: ServiceConfig{NoBackend: Reject, ConnectRetries: 1}},
	{name: "impatient", config: ServiceConfig{Queue: QueueConfig{Timeout: 2 * time.Second, OnClientFin: FinDrop}, IdleTimeout: 2 * time.Second, HalfCloseTimeout: time.Second}},
	{name: "protocol", protocol: true},
	{name: "protocol, locked", protocol: true, config: ServiceConfig{Lock: LockConfig{Slots: 1, TTL: 3 * time.Second}, NoBackend: Reject}},
}

// anyOrder steps a session with the moves that choose returns, and then makes it end.
func anyOrder(t *testing.T, kind int, choose func(n int) int) {
	k := kinds[kind]
	c := k.config
	p := &scriptedProtocol{choose: choose}
	if k.protocol {
		c.Protocol = p
	}
	play(t, c, func(r *script) {
		way := []string{k.name}
		take := func(m move) { way = append(way, m.name); m.do(); synctest.Wait() }
		defer func() {
			if r.Failed() {
				r.Logf("after %q", way)
			}
		}()
		r.come()
		for acts := 0; r.done == 0 && len(way) < 60; {
			all := r.moves()
			if acts < 8 {
				all = append(all, r.acts()...)
			}
			if len(all) == 0 {
				break
			}
			n := choose(len(all))
			if n >= len(all)-len(r.acts()) && acts < 8 {
				acts++
			}
			take(all[n])
		}
		// Now it is asked to end, and everything ends.
		for n := 0; r.done == 0; n++ {
			all := r.moves()
			if len(all) == 0 || n%10 == 0 {
				take(r.acts()[0])
				continue
			}
			if n > 200 {
				r.Fatalf("it does not end: %q", way)
			}
			take(all[0])
		}
		r.over(way)
		if p.open != 0 {
			r.Fatalf("%d clients of the protocol remain\nafter %q", p.open, way)
		}
	})
}

// TestSessionInAnyOrder: whatever the order of events, a session has one record, is
// done once, closes what it had, and releases its slot and its backend.
func TestSessionInAnyOrder(t *testing.T) {
	t.Parallel()
	times := uint64(300)
	if testing.Short() {
		times = 30
	}
	for kind := range kinds {
		t.Run(kinds[kind].name, func(t *testing.T) {
			for seed := range times {
				r := rand.New(rand.NewPCG(seed, uint64(kind)))
				anyOrder(t, kind, r.IntN)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// FuzzSession tries the orders that the fuzzer finds: a byte is a choice.
func FuzzSession(f *testing.F) {
	for kind := range kinds {
		f.Add(byte(kind), []byte("\x00\x01\x02\x03"))
	}
	f.Fuzz(func(t *testing.T, kind byte, choices []byte) {
		anyOrder(t, int(kind)%len(kinds), func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := int(choices[0]) % n
			choices = choices[1:]
			return c
		})
	})
}

// TestSessionStepByStep: the outcome of each order of events. A word is a move of a
// runner, or an act of others; the record is by/phase/reason.
func TestSessionStepByStep(t *testing.T) {
	t.Parallel()
	locked := ServiceConfig{Lock: LockConfig{Slots: 1, TTL: 3 * time.Second}}
	reject := ServiceConfig{NoBackend: Reject, ConnectRetries: 1}
	for _, c := range []struct {
		config ServiceConfig
		steps  string
		want   string // the record
		dials  int
	}{
		{ServiceConfig{}, "come, connected, client fin, backend fin", "client/relay/fin", 1},
		{ServiceConfig{}, "come, connected, backend fin, client fin", "backend/relay/fin", 1},
		{ServiceConfig{}, "come, connected, client reset, backend closed", "client/relay/reset", 1},
		{ServiceConfig{}, "come, connected, backend reset, client closed", "backend/relay/reset cut", 1},
		{ServiceConfig{}, "come, connected, client fin, backend reset", "backend/relay/reset cut", 1},
		{ServiceConfig{}, "come, connected, client gone, backend fin", "backend/relay/reset", 1},
		{ServiceConfig{}, "come, connected, kicked, delivered, client closed, backend closed", "operator/relay/kicked cut", 1},
		{ServiceConfig{}, "come, connected, kicked, told to end if live, delivered, delivered, client closed, backend closed", "operator/relay/kicked cut", 1},
		{ServiceConfig{}, "come, kicked, delivered, refused", "operator/connect/kicked", 1},
		{ServiceConfig{}, "come, kicked, delivered, connected", "operator/connect/kicked", 1},
		{ServiceConfig{}, "come, refused, connected, client fin, backend fin", "client/relay/fin", 2},
		{ServiceConfig{}, "come, refused, refused, waiting client reset", "client/queue/abandoned", 2},
		{ServiceConfig{}, "come, refused, refused, time passes, delivered, connected, client fin, backend fin", "client/relay/fin", 3},
		{ServiceConfig{}, "come, refused, refused, kicked, delivered", "operator/queue/kicked", 2},
		{reject, "come, refused, refused", "proxy/connect/connect", 2},
		{reject, "come, no port, no port", "proxy/connect/local_limit", 2},
		{reject, "down, come", "proxy/queue/no_backend", 0},
		{ServiceConfig{}, "down, come, up, delivered, connected, backend fin, client fin", "backend/relay/fin", 1},
		{ServiceConfig{}, "paused, come, resumed, delivered, connected, client fin, backend fin", "client/relay/fin", 1},
		{ServiceConfig{}, "paused, come, waiting client half-fin, kicked, delivered", "operator/queue/kicked", 0},
		{ServiceConfig{Queue: QueueConfig{OnClientFin: FinDrop}}, "paused, come, waiting client half-fin", "client/queue/abandoned", 0},
		// The grant crosses the client's end: the client has no slot afterwards.
		{locked, "paused, come, resumed, waiting client reset", "client/queue/abandoned", 0},
		{locked, "paused, come, resumed, kicked, delivered, kicked, delivered, refused", "operator/connect/kicked", 1},
		{locked, "come, timer, refused", "proxy/connect/ttl", 1},
		{locked, "come, connected, timer, backend closed, client closed", "proxy/relay/ttl cut", 1},
		{ServiceConfig{}, "down, come, told to end if live, delivered, up, delivered, connected, client fin, backend fin", "client/relay/fin", 1},
		{ServiceConfig{}, "come, told to end at b, delivered, connected, client fin, backend fin", "client/relay/fin", 1},
	} {
		t.Run(c.steps, func(t *testing.T) {
			play(t, c.config, func(r *script) {
				words := strings.Split(c.steps, ", ")
				for n, word := range words {
					r.take(word, words[:n])
				}
				r.over(words)
				rec := r.records[0]
				got := fmt.Sprintf("%s/%s/%s", rec.By, rec.Phase, rec.Reason)
				if r.service.Info().Sessions.Cut > 0 {
					got += " cut"
				}
				if got != c.want || rec.Dials != c.dials {
					t.Errorf("the record says %s after %d dials, want %s after %d", got, rec.Dials, c.want, c.dials)
				}
			})
		})
	}
}

// take takes the step of that name.
func (r *script) take(name string, before []string) {
	if name == "come" {
		r.come()
		return
	}
	var can []string
	all := r.acts()
	if r.session != nil {
		all = append(r.moves(), all...)
	}
	for _, m := range all {
		if m.name == name {
			m.do()
			synctest.Wait()
			return
		}
		can = append(can, m.name)
	}
	r.Fatalf("after %q there can be no %q, only %q", before, name, can)
}
