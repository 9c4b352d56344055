package proxy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestAProgramChecks: the program learns which backend to check, and its status and
// last line count.
func TestAProgramChecks(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	well := filepath.Join(t.TempDir(), "well")
	if err := os.WriteFile(well, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := quick(1, 1)
	c.Type, c.Run = "exec", []string{"sh", "-c", "echo no $TCPCTL_SERVICE/$TCPCTL_BACKEND; test " + a.addr() + " = $TCPCTL_ADDR -a -e " + well}
	v := start(t, proxy.ServiceConfig{Check: c}, a)
	v.untilHealth("a", proxy.StateUp)
	v.dial("one").hears("a one")
	os.Remove(well)
	v.untilHealth("a", proxy.StateDown)
	if d := v.backend("a").Check.Detail; !strings.HasSuffix(d, "exit status 1: no db/a") {
		t.Errorf("the detail is %q", d)
	}
	if text, err := v.svc.Backend("a").Probe(); !errors.Is(err, proxy.ErrProbe) || !strings.HasPrefix(err.Error(), "probe db/a: failed, sh: exit status 1") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestABackendIsAsked: its answer counts.
func TestABackendIsAsked(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	c := quick(1, 1)
	c.Type, c.Send, c.Want = "send-expect", "PING\n", "a PING"
	v := start(t, proxy.ServiceConfig{Check: c}, a)
	v.untilHealth("a", proxy.StateUp)
}

// TestOnDownCut resets the clients of a backend that goes down, and no others.
func TestOnDownCut(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for _, how := range []string{proxy.OnDownKeep, proxy.OnDownCut} {
			a, b, doctor := newServer(t, "a"), newServer(t, "b"), newDoctor(t)
			c := quick(1, 1)
			c.OnDown = how
			v := start(t, proxy.ServiceConfig{Relay: relay, Balance: "roundrobin", Check: c, Backends: []proxy.BackendConfig{doctor.of(a), b.backend()}})
			v.untilUp()
			atA, atB := v.dial("one"), v.dial("two")
			if first := atA.hear(); first == "b one" {
				atA, atB = atB, atA
				atA.hears("a two")
			} else {
				atB.hears("b two")
			}
			doctor.sick()
			v.untilHealth("a", proxy.StateDown)
			if how == proxy.OnDownCut {
				atA.isReset()
				if r := v.record(); r.Reason != proxy.ReasonBackendDown || r.By != proxy.ByProxy {
					t.Errorf("%+v", r)
				}
				if s := v.svc.Info().Sessions; s.Cut != 1 {
					t.Errorf("%+v", s)
				}
			} else {
				atA.says("still here")
				atA.hears("still here")
			}
			atB.says("and I")
			atB.hears("and I")
		}
	})
}

// TestSlowStart: a backend that has come back gets less at first.
func TestSlowStart(t *testing.T) {
	t.Parallel()
	a, b, doctor := newServer(t, "a"), newServer(t, "b"), newDoctor(t)
	c := quick(1, 1)
	c.SlowStart = 1000 * time.Hour // it gets no faster while the test runs
	v := start(t, proxy.ServiceConfig{Balance: "roundrobin", Check: c, Backends: []proxy.BackendConfig{doctor.of(a), b.backend()}})
	v.untilUp()
	come := func(n int) (at int) {
		for range n {
			client := v.dial("one")
			if client.hear() == "a one" {
				at++
			}
			client.fin()
		}
		return at
	}
	if n := come(20); n != 10 {
		t.Errorf("%d of 20 came to a that was never away", n)
	}
	doctor.sick()
	v.untilHealth("a", proxy.StateDown)
	doctor.well(t)
	v.untilHealth("a", proxy.StateUp)
	if n := come(100); n > 1 {
		t.Errorf("%d of 100 came to a that has just come back", n)
	}
}
