package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// told waits for the first event of a kind.
func told(v *visit, kind string) proxy.Event {
	v.Helper()
	late := time.After(patience)
	for {
		page, more := v.Events(0)
		for _, ev := range page.Events {
			if ev.Kind == kind {
				return ev
			}
		}
		select {
		case <-more:
		case <-late:
			v.Fatalf("no event %s", kind)
		}
	}
}

func count(v *visit, kind string) (n int) {
	page, _ := v.Events(0)
	for _, ev := range page.Events {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}

func TestPauseNearMaxIsSaidOnce(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"))
	v.untilUp()
	began := time.Now()
	if _, err := v.svc.Pause(proxy.PauseOptions{Max: 4 * time.Second, By: "ana@edge"}); err != nil {
		t.Fatal(err)
	}
	c := v.dial("held")
	ev := told(v, proxy.EventPauseNear)
	if ev.Service != "db" || ev.By != "ana@edge" || ev.Level != proxy.LevelWarn || !strings.Contains(ev.Text, "1 client waiting") {
		t.Errorf("%+v", ev)
	}
	if after := ev.Time.Sub(began); after < 3*time.Second {
		t.Errorf("the event came after %s of 4s", after)
	}
	c.hears("a held")
	if n := count(v, proxy.EventPauseNear); n != 1 {
		t.Errorf("%d such events", n)
	}
}

func TestQueueOldIsSaid(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}, Queue: proxy.QueueConfig{Timeout: timeout}}, newServer(t, "a"))
	first := v.dial("first")
	first.hears("a first")
	waiting := v.dial("second")
	ev := told(v, proxy.EventQueueOld)
	if ev.Service != "db" || ev.Session == "" || !strings.HasSuffix(ev.Text, ": slots") {
		t.Errorf("%+v", ev)
	}
	waiting.isReset() // its timeout has passed
	// The warning is repeated after a whole timeout, when a busy machine may not have
	// made the reset yet.
	if n := count(v, proxy.EventQueueOld); n != 1 && (n != 2 || time.Since(ev.Time) < timeout) {
		t.Errorf("%d such events", n)
	}
}

// The queue's clock stops during a pause, and so does this one.
func TestQueueOldIsNotSaidInAPause(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{Queue: proxy.QueueConfig{Timeout: 2 * time.Second}}, newServer(t, "a"))
	v.untilUp()
	if _, err := v.svc.Pause(proxy.PauseOptions{Max: 3 * time.Second}); err != nil {
		t.Fatal(err)
	}
	v.dial("held").hears("a held")
	if n := count(v, proxy.EventQueueOld); n != 0 {
		t.Errorf("%d such events", n)
	}
}
