package proxy_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

func TestStats(t *testing.T) {
	t.Parallel()
	v := start(t, proxy.ServiceConfig{Lock: proxy.LockConfig{Slots: 1}}, newServer(t, "a"))
	c := v.dial("one")
	c.hears("a one")
	gone := v.dial("two")
	v.until("one waits", func(i proxy.ServiceInfo) bool { return i.Queue.Waiting == 1 })
	i := v.svc.Info()
	if i.Times.Connect.Count() != 1 || i.Times.Wait.Count() != 1 || i.Times.Session.Count() != 0 {
		t.Errorf("while one is live and one waits: %+v", i.Times)
	}
	gone.reset()
	v.until("it left", func(i proxy.ServiceInfo) bool { return len(i.Endings) == 1 })
	c.fin()
	c.isClosed()
	i = v.until("both have ended", func(i proxy.ServiceInfo) bool { return len(i.Endings) == 2 && i.Times.Session.Count() == 1 })
	want := []proxy.EndingInfo{{By: "client", Phase: "queue", Reason: proxy.ReasonAbandoned, Count: 1}, {By: "client", Phase: "relay", Reason: proxy.ReasonFIN, Count: 1}}
	if !slices.Equal(i.Endings, want) {
		t.Errorf("endings %+v", i.Endings)
	}
	if h := i.Times.Session; len(h.Counts) != len(h.Bounds)+1 || h.Sum <= 0 || !slices.IsSorted(h.Bounds) {
		t.Errorf("sessions %+v", h)
	}
	text, err := json.Marshal(i.Times)
	if err != nil {
		t.Fatal(err)
	}
	var back proxy.TimesInfo
	if err := json.Unmarshal(text, &back); err != nil || back.Session.Sum != i.Times.Session.Sum {
		t.Errorf("%s: %v", text, err)
	}
}
