package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

func TestPauseNearMaxIsSaidOnce(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{}, func(t *testing.T, w *works) {
		w.act(w.svc.Pause(proxy.PauseOptions{Max: 40 * time.Second, By: "ana@edge"}))
		c := w.come("10.0.0.1")
		if w.after(29 * time.Second); len(w.said(proxy.EventPauseNear)) != 0 {
			t.Error("the event came before 30 s of 40 s had passed")
		}
		w.after(10 * time.Second)
		said := w.said(proxy.EventPauseNear)
		if len(said) != 1 {
			t.Fatalf("%d such events", len(said))
		}
		if ev := said[0]; ev.Service != "db" || ev.By != "ana@edge" || ev.Level != proxy.LevelWarn || !strings.Contains(ev.Text, "1 client waiting") {
			t.Errorf("%+v", ev)
		}
		w.after(2 * time.Second)
		w.hears(c, "hello")
		if n := len(w.said(proxy.EventPauseNear)); n != 1 {
			t.Errorf("%d such events", n)
		}
	})
}

func TestQueueOldIsSaid(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}, Queue: proxy.QueueConfig{Timeout: time.Minute}}, func(t *testing.T, w *works) {
		w.hears(w.come("10.0.0.1"), "hello")
		w.come("10.0.0.2")
		w.after(time.Minute + time.Second)
		w.endsAt(time.Minute, proxy.ReasonQueueTimeout)
		said := w.said(proxy.EventQueueOld)
		if len(said) != 1 {
			t.Fatalf("%d such events", len(said))
		}
		if ev := said[0]; ev.Service != "db" || ev.Session == "" || !strings.HasSuffix(ev.Text, ": slots") {
			t.Errorf("%+v", ev)
		}
	})
}

// The queue's clock stops during a pause, and so does this one.
func TestQueueOldIsNotSaidInAPause(t *testing.T) {
	clockwork(t, proxy.ServiceConfig{Queue: proxy.QueueConfig{Timeout: time.Minute}}, func(t *testing.T, w *works) {
		w.act(w.svc.Pause(proxy.PauseOptions{Max: 90 * time.Second}))
		c := w.come("10.0.0.1")
		w.after(91 * time.Second)
		w.hears(c, "hello")
		if n := len(w.said(proxy.EventQueueOld)); n != 0 {
			t.Errorf("%d such events", n)
		}
	})
}
