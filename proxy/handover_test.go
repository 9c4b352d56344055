//go:build unix

package proxy_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestOneEngineFollowsAnother at the same doors: those who are at the first
// are served there, those who come later at the second, after them, and never
// more than one at a time.
func TestOneEngineFollowsAnother(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		a := newServer(t, "a")
		door := "unix:" + filepath.Join(t.TempDir(), "db.sock")
		old := start(t, proxy.ServiceConfig{Relay: relay, Listen: []string{"127.0.0.1:0", door}, Lock: proxy.LockConfig{Slots: 1}}, a)
		one := old.dial("one")
		one.hears("a one")
		two := old.queue("two")

		doors, closed, err := old.Doors()
		if err != nil || len(doors) != 2 || closed != nil || old.Movable() != nil {
			t.Fatalf("doors %v, closed %v, %v", doors, closed, err)
		}
		next := &visit{TB: t, records: make(chan proxy.Record, 10)}
		var three *client
		e, err := proxy.New(proxy.Config{
			Services: []proxy.ServiceConfig{{Name: "db", Relay: relay, Listen: []string{"127.0.0.1:0", door},
				Lock: proxy.LockConfig{Slots: 1}, Backends: []proxy.BackendConfig{a.backend()}}},
			Doors: doors, Up: old.Up(),
			Opened: func() (map[string]proxy.Rest, error) {
				addr := old.addr()
				old.Leave()
				three = next.dialAt(addr, "three") // between the two: it waits for whoever accepts
				return old.Rest(), nil
			},
			OnRecord: func(r proxy.Record) { next.records <- r },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		next.Engine, next.svc = e, e.Service("db")
		if i := next.until("three waits", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 }); i.Lock.InUse != 1 {
			t.Errorf("%+v", i.Lock)
		}
		if w := next.svc.Waiters(); w[0].Why != "upgrade" {
			t.Errorf("%+v", w)
		}
		if _, err := old.svc.OpenFront("", ""); err == nil {
			t.Error("the first opens again")
		}
		if err := next.Movable(); err == nil {
			t.Error("a third may follow, and would know nothing of the first")
		}
		next.must(next.svc.Pause(proxy.PauseOptions{Max: time.Minute}))

		one.fin()
		two.hears("a two")
		next.Follow(old.Rest())
		if i := next.svc.Info(); i.State != proxy.StatePausing || i.Lock.InUse != 1 {
			t.Errorf("while two is at the first: %s, %+v", i.State, i.Lock)
		}
		two.fin()
		old.untilIdle()
		next.Follow(old.Rest())
		next.untilState(proxy.StatePaused)
		next.must(next.svc.Resume(proxy.ResumeOptions{}))
		three.hears("a three")
		three.fin()
		next.untilIdle()
		if a.most.Load() != 1 {
			t.Errorf("%d at once", a.most.Load())
		}
		old.Close()
		// The first has not taken the socket's file with it.
		four := next.dialAt(door, "four")
		four.hears("a four")
	})
}

// TestNobodyFollows: an engine that has left listens again.
func TestNobodyFollows(t *testing.T) {
	v := start(t, proxy.ServiceConfig{Listen: []string{"127.0.0.1:0"}}, newServer(t, "a"))
	left := v.Leave()
	if v.svc.Info().State != proxy.StateClosed {
		t.Error("it is open")
	}
	if err := v.Return(left); err != nil {
		t.Fatal(err)
	}
	v.dial("back").hears("a back")
}
