package proxy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRule07EachServiceHasItsShare: four times as many clients as the process can hold
// come to a paused service. Another service serves its own clients, as many at once as
// its share, and in the end all are served.
func TestRule07EachServiceHasItsShare(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		const most, share, crowd = 12, 3, 48
		a := newServer(t, "a")
		held := service("held", "127.0.0.1:0", a)
		held.Relay = relay
		v := startWithin(t, most, held)
		v.untilUp()
		other := service("other", "127.0.0.1:0", newServer(t, "b"))
		other.Relay = relay
		if _, err := v.Apply(proxy.Config{MaxSessions: most, Services: []proxy.ServiceConfig{held, other}}); err != nil {
			t.Fatal(err)
		}
		v.must(v.svc.Pause(proxy.PauseOptions{By: "ana", Max: time.Minute}))
		var waiting []*client
		for n := range crowd {
			waiting = append(waiting, v.dial(fmt.Sprint("held-", n)))
		}
		v.untilWaiting(most - share)
		svc := v.Service("other")
		addr := svc.Info().Listen[0]
		v.eventually("other is up", func() bool { return svc.Backend("b").Info().State == proxy.StateUp })
		for turn := range 10 {
			var all []*client
			for n := range share {
				all = append(all, v.dialAt(addr, fmt.Sprint("other-", turn, "-", n)))
			}
			for n, c := range all {
				c.hears(fmt.Sprint("b other-", turn, "-", n))
				c.leaves()
			}
		}
		if i := v.svc.Info(); i.Queue.Waiting != most-share {
			t.Errorf("%d wait, want %d", i.Queue.Waiting, most-share)
		}
		v.must(v.svc.Resume(proxy.ResumeOptions{By: "ana"}))
		for n, c := range waiting {
			c.hears(fmt.Sprint("a held-", n))
			c.leaves()
		}
		if i := v.untilIdle(); i.Sessions.Failed+i.Sessions.Rejected > 0 {
			t.Errorf("%+v", i.Sessions)
		}
	})
}
