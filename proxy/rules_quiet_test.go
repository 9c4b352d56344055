package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

const quietly = 20 * time.Millisecond

// eachQuiet runs a test over both runners, and over TLS.
func eachQuiet(t *testing.T, test func(t *testing.T, v *visit, a *server, dial func() *client)) {
	for _, kind := range []string{"stream", "loop", "tls"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			a, c := newServer(t, "a"), proxy.ServiceConfig{Relay: kind, Check: quick(1, 3)}
			if kind == "tls" {
				c.Relay, c.TLS = "auto", &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
			}
			v := start(t, c, a)
			v.untilUp()
			test(t, v, a, func() *client {
				if kind != "tls" {
					return v.dial("")
				}
				conn, _ := v.dialTLS()
				return &client{TB: t, Conn: conn, r: bufio.NewReader(conn)}
			})
		})
	}
}

// TestRule46AQuietSessionIsEnded by FIN, and its backend gets a FIN, whether its client
// then closes its side or does not read, like a connection in a pool.
func TestRule46AQuietSessionIsEnded(t *testing.T) {
	t.Parallel()
	eachQuiet(t, func(t *testing.T, v *visit, a *server, dial func() *client) {
		pooled, polite := dial(), dial()
		for _, c := range []*client{pooled, polite} {
			c.says("hello")
			c.hears("a hello")
		}
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: quietly}))
		polite.isClosed()
		polite.Close()
		for range 2 {
			r := v.record()
			if r.Reason != proxy.ReasonQuietDrain || r.By != proxy.ByOperator || r.Phase != proxy.PhaseRelay || r.Cause() != "drained at a quiet moment: by ana" {
				t.Errorf("record %+v, %s", r, r.Cause())
			}
		}
		pooled.isClosed() // now it reads
		v.eventually("the backend has seen two ends", func() bool { return a.open() == 0 })
		if i := v.svc.Info(); i.Sessions.Cut != 0 || a.resets.Load() != 0 {
			t.Errorf("%+v; the backend has seen %d resets", i.Sessions, a.resets.Load())
		}
		v.untilBackend("a", "drained", func(b proxy.BackendInfo) bool { return b.Reason == "drained" })
	})
}

// TestRule46ABusySessionGoesOn until it is quiet. If the machine stalls for that long, it tries again with a longer time.
func TestRule46ABusySessionGoesOn(t *testing.T) {
	t.Parallel()
	eachQuiet(t, func(t *testing.T, v *visit, a *server, dial func() *client) {
		untilInTime(t, 500*time.Millisecond, func(quiet time.Duration) bool { return goesOn(v, dial(), quiet) })
	})
}

// goesOn reports whether the client was busy in a pause for longer than quiet, and fails the test if it was and its
// session ended, or did not end afterwards. If it was not, the pause is over.
func goesOn(v *visit, c *client, quiet time.Duration) bool {
	v.Helper()
	last := time.Now()
	c.says("hello")
	c.hears("a hello")
	v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Quiet: quiet}))
	for end := time.Now().Add(quiet * 3 / 2); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		c.says("busy")
		got := c.hear()
		if time.Since(last) > quiet/2 {
			c.Close()
			v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
			return false
		}
		if got != "busy" {
			v.Fatalf("got %q within %s", got, quiet)
		}
		last = time.Now()
	}
	c.isClosed()
	v.untilState(proxy.StatePaused)
	return true
}

// TestRule46WhatTheClientSaysNeverthelessArrives: the client has been sent the FIN of a
// quiet moment but has not read it. Its data is delivered, before the backend's FIN.
func TestRule46WhatTheClientSaysNeverthelessArrives(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		for began := time.Now(); ; {
			got := make(chan ended, 1)
			v := by(t, relay, func(c *net.TCPConn) {
				b, err := io.ReadAll(c)
				got <- ended{b, err}
			})
			c := v.dial("one")
			v.until("its data has arrived", func(i proxy.ServiceInfo) bool { return i.Backends[0].Total == 1 && i.BytesIn == 4 })
			drained := time.Now()
			v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: time.Millisecond}))
			c.isClosed()
			c.says("two")
			late := time.Since(drained) > proxy.QuietSettle // a busy machine: its backend may have been sent the FIN
			seen, r := <-got, v.record()
			if late && time.Since(began) < patience {
				continue
			}
			if seen.err != nil || string(seen.got) != "one\ntwo\n" {
				t.Errorf("the backend has seen %q, %v", seen.got, seen.err)
			}
			if r.Reason != proxy.ReasonQuietDrain || r.BytesIn != 8 {
				t.Errorf("record %+v", r)
			}
			return
		}
	})
}

// TestRule46NotWhileBytesAreUnderWay: the client reads nothing, and everything arrives
// before the FIN.
func TestRule46NotWhileBytesAreUnderWay(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		want, go_ := much(), make(chan bool)
		v := by(t, relay, func(c *net.TCPConn) {
			c.Write(want)
			<-go_
		})
		c := v.dial("one")
		v.until("more has come than the client's socket holds", func(i proxy.ServiceInfo) bool { return i.BytesIn == 4 && i.BytesOut > 1<<20 })
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: time.Millisecond}))
		time.Sleep(50 * time.Millisecond) // longer than a drain would take
		got, err := io.ReadAll(c)
		close(go_)
		if err != nil || len(got) != len(want) || string(got) != string(want) {
			t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
		}
	})
}

// TestRule46AnAnswerIsWaitedFor if the client has ended its side, however quiet the
// session is.
func TestRule46AnAnswerIsWaitedFor(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		answer := make(chan bool)
		v := by(t, relay, func(c *net.TCPConn) {
			io.ReadAll(c)
			<-answer
			io.WriteString(c, "answer\n")
		})
		c := v.dial("one")
		c.fin()
		v.until("its data has arrived", func(i proxy.ServiceInfo) bool { return i.Backends[0].Total == 1 && i.BytesIn == 4 })
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: time.Millisecond}))
		time.Sleep(50 * time.Millisecond) // longer than a drain would take
		close(answer)
		c.hears("answer")
		if r := v.record(); r.Reason != proxy.ReasonFIN {
			t.Errorf("record %+v", r)
		}
	})
}

// TestRule46TakenBack: a drain or pause that has ended ends no session, and sessions of
// other backends and those that bypass the pause are not affected.
func TestRule46TakenBack(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a, b := newServer(t, "a"), newServer(t, "b")
		c := proxy.ServiceConfig{Relay: relay, Balance: "roundrobin", Check: quick(1, 3), Pause: proxy.PauseConfig{Bypass: []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")}}}
		v := start(t, c, a, b)
		v.untilUp()
		one, two, past := v.dial("one"), v.dial("two"), v.dialFrom("127.0.0.9", "past")
		for _, c := range []*client{one, two, past} {
			c.hear()
		}
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: time.Hour}))
		v.must(v.svc.Backend("a").Ready("ana", ""))
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Quiet: time.Hour}))
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		time.Sleep(2 * quietly)
		for _, c := range []*client{one, two, past} {
			c.says("still")
			c.hears("still")
		}
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Quiet: quietly}))
		v.untilState(proxy.StatePaused)
		one.isClosed()
		two.isClosed()
		past.says("still")
		past.hears("still")
	})
}

// TestRule46EveryDrainTakesIt: the service's setting applies to each drain, even for a
// backend or a service that a reload has removed.
func TestRule46EveryDrainTakesIt(t *testing.T) {
	t.Parallel()
	for name, drain := range map[string]func(v *visit, c proxy.ServiceConfig){
		"drain": func(v *visit, _ proxy.ServiceConfig) { v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana"})) },
		"maint": func(v *visit, _ proxy.ServiceConfig) { v.must(v.svc.Backend("a").Maint(proxy.DrainOptions{By: "ana"})) },
		"remove": func(v *visit, _ proxy.ServiceConfig) {
			v.must(v.svc.Backend("a").Remove(proxy.DrainOptions{By: "ana"}))
		},
		"pause": func(v *visit, _ proxy.ServiceConfig) { v.must(v.svc.Pause(proxy.PauseOptions{By: "ana"})) },
		"restart": func(v *visit, _ proxy.ServiceConfig) {
			p, err := v.svc.Backend("a").StartRestart(proxy.PlanOptions{By: "ana"})
			if err != nil {
				v.Fatal(err)
			}
			<-p.Done()
			if r := p.Report(); r.State != proxy.PlanDone || r.Numbers.Cut != 0 {
				v.Errorf("report %+v", r)
			}
		},
		"roll": func(v *visit, _ proxy.ServiceConfig) {
			p, err := v.svc.StartRoll(proxy.PlanOptions{By: "ana", Match: "a"})
			if err != nil {
				v.Fatal(err)
			}
			<-p.Done()
			if r := p.Report(); r.State != proxy.PlanDone || r.Numbers.Cut != 0 {
				v.Errorf("report %+v", r)
			}
		},
		"window": func(v *visit, _ proxy.ServiceConfig) {
			p, err := v.svc.StartWindow(proxy.PlanOptions{By: "ana"})
			if err != nil {
				v.Fatal(err)
			}
			v.untilState(proxy.StatePaused)
			v.must("", p.CommandEnded(p.Token(), nil))
			<-p.Done()
			if r := p.Report(); r.State != proxy.PlanDone || r.Numbers.Cut != 0 || r.Numbers.Failed != 0 {
				v.Errorf("report %+v", r)
			}
		},
		"reload without the backend": func(v *visit, c proxy.ServiceConfig) {
			c.Backends = c.Backends[1:]
			v.apply(c)
		},
		"reload without the service": func(v *visit, c proxy.ServiceConfig) {
			c.Name, c.Listen = "other", []string{"127.0.0.1:0"}
			v.apply(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newServer(t, "a"), newServer(t, "b")
			first := a.backend()
			first.Restart = []string{"true"}
			c := proxy.ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Balance: "first", Check: quick(1, 3), Backends: []proxy.BackendConfig{first, b.backend()},
				Drain: proxy.DrainConfig{Quiet: quietly}}
			v := start(t, c)
			v.untilUp()
			one := v.dial("one")
			one.hears("a one")
			drain(v, c)
			one.isClosed()
			if r := v.record(); r.Reason != proxy.ReasonQuietDrain {
				t.Errorf("record %+v", r)
			}
		})
	}
}

// TestRule46ShownAndRepeated: the status shows it, and a second act with another time
// changes it.
func TestRule46ShownAndRepeated(t *testing.T) {
	t.Parallel()
	a := newServer(t, "a")
	v := start(t, proxy.ServiceConfig{Check: quick(1, 3)}, a)
	v.untilUp()
	one := v.dial("one")
	one.hears("a one")
	v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana"}))
	if d := v.backend("a").Drain; d == nil || d.QuietSeconds != 0 {
		t.Errorf("the drain is %+v", d)
	}
	v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: time.Hour}))
	if d := v.backend("a").Drain; d == nil || d.QuietSeconds != 3600 {
		t.Errorf("the drain is %+v", d)
	}
	if _, err := v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: time.Hour}); !errors.Is(err, proxy.ErrAlready) {
		t.Errorf("repeated: %v", err)
	}
	v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: quietly}))
	one.isClosed()
	if _, err := v.svc.Pause(proxy.PauseOptions{By: "ana", Quiet: -1}); err == nil {
		t.Error("a negative time was accepted")
	}
}

// TestRule46AClientThatResets at its FIN resets its backend, which is not a cut.
func TestRule46AClientThatResets(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		seen := make(chan error, 1)
		v := by(t, relay, func(c *net.TCPConn) {
			_, err := io.ReadAll(c)
			seen <- err
		})
		c := v.dial("one")
		v.until("its data has arrived", func(i proxy.ServiceInfo) bool { return i.Backends[0].Total == 1 && i.BytesIn == 4 })
		v.must(v.svc.Backend("a").Drain(proxy.DrainOptions{By: "ana", Quiet: quietly}))
		c.isClosed()
		c.reset()
		if err := <-seen; err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the backend has seen %v", err)
		}
		if r := v.record(); r.Reason != proxy.ReasonQuietDrain {
			t.Errorf("record %+v", r)
		}
		if i := v.untilIdle(); i.Sessions.Cut != 0 {
			t.Errorf("%+v", i.Sessions)
		}
	})
}
