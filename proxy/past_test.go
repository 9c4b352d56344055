package proxy_test

import (
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestNumbersGoOnFromThePast: events and reports of earlier engines can be read, are
// marked as past, and new ones continue their numbers.
func TestNumbersGoOnFromThePast(t *testing.T) {
	t.Parallel()
	first := pastEngine(t)
	first.Operator().Note(proxy.Event{Kind: proxy.EventMark, Text: "one"})
	first.Operator().Note(proxy.Event{Kind: proxy.EventMark, Text: "two"})
	past := proxy.HandoverOf(first).Past()
	past.Reports = []proxy.Report{{ID: "w7", Kind: proxy.PlanWindow, State: proxy.PlanRunning, Started: time.Now()}, {ID: "r3", State: proxy.PlanDone, Ended: time.Now()}}

	next := pastEngine(t)
	next.Operator().Note(proxy.Event{Kind: proxy.EventMark, Text: "early"}) // before it knows of a past
	proxy.HandoverOf(next).Remember(past)
	next.Operator().Note(proxy.Event{Kind: proxy.EventMark, Text: "late"})
	page, _ := next.Operator().Events(0)
	var texts []string
	for i, ev := range page.Events {
		texts = append(texts, ev.Text)
		if ev.Seq != uint64(i+1) || ev.Past != (i < 2) {
			t.Errorf("%q has the number %d, past %v", ev.Text, ev.Seq, ev.Past)
		}
	}
	if len(texts) != 4 || texts[0] != "one" || texts[2] != "early" || page.Last != 4 {
		t.Errorf("%q, last %d", texts, page.Last)
	}
	reports := next.Operator().Reports()
	if len(reports) != 2 || reports[0].ID != "w7" || reports[0].State != proxy.PlanAborted || reports[0].Ended.IsZero() {
		t.Errorf("reports: %+v", reports)
	}
	if got := proxy.HandoverOf(next).Past(); got.Plans != 7 || got.LastEvent != 4 {
		t.Errorf("plans are numbered from %d, events from %d", got.Plans, got.LastEvent)
	}
}

func pastEngine(t *testing.T) *proxy.Engine {
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}
