package tui

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// crowd is an engine with five thousand waiters.
func crowd() *fake {
	f := edge()
	f.waiters = nil
	for i := range 5000 {
		f.waiters = append(f.waiters, proxy.WaiterInfo{ID: fmt.Sprintf("s%d", i), Position: i + 1, Client: fmt.Sprintf("10.2.%d.%d:40112", i/250, i%250), WaitedSeconds: float64(5000 - i), State: "waiting", Reason: "slots"})
	}
	f.status.Services[1].Queue.Waiting = 5000
	return f
}

// A full redraw with five thousand waiters. Budget: 2 ms.
func BenchmarkView(b *testing.B) {
	c := newConsole(b, crowd(), 140, 45)
	c.live()
	for b.Loop() {
		for i := range c.shown {
			c.shown[i] = picture{}
		}
		c.changed()
		c.View()
	}
}

// The same on the largest screen, with three hundred backends. Budget: 2 ms.
func BenchmarkLargeView(b *testing.B) {
	f := crowd()
	for i := range 300 {
		one := f.status.Services[0].Backends[0]
		one.Name = fmt.Sprintf("pg-%d", i)
		f.status.Services[0].Backends = append(f.status.Services[0].Backends, one)
	}
	c := newConsole(b, f, 200, 60)
	c.sickFirst()
	c.live()
	for b.Loop() {
		for i := range c.shown {
			c.shown[i] = picture{}
		}
		c.changed()
		c.View()
	}
}

// An ordinary tick: a new status, one pane changed.
func BenchmarkStatus(b *testing.B) {
	c := newConsole(b, crowd(), 140, 45)
	c.live()
	for b.Loop() {
		c.now = c.now.Add(tickUsual)
		c.engine.change(func(f *fake) { f.status.Node.Now = c.now; f.status.Services[0].BytesIn += 1000 })
		s, _ := c.engine.Status(context.Background())
		c.onFetched(fetched{kind: fetchStatus, begun: c.now, status: s})
		c.View()
	}
}

// The same with a filter and a sort over all waiters.
func BenchmarkFilteredQueue(b *testing.B) {
	c := newConsole(b, crowd(), 140, 45)
	c.press("2")
	p := c.queue
	p.table.SetFilter("10.2 waited>100")
	p.table.SetSort(3, true)
	for b.Loop() {
		c.onFetched(fetched{kind: fetchQueue, about: "office", waiters: c.engine.waiters})
		c.changed()
		c.View()
	}
}

// A redraw without changes. Budget: 50 us.
func BenchmarkViewUnchanged(b *testing.B) {
	c := newConsole(b, crowd(), 140, 45)
	c.View()
	for b.Loop() {
		c.View()
	}
}

type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

// An idle console for three seconds: bytes a second to the terminal (budget 1 kB). Its engine has
// been up for days, and only the clock changes.
func BenchmarkIdle(b *testing.B) {
	engine := edge()
	heal(engine)
	s := engine.status.Services
	for i := range s[0].Backends {
		s[0].Backends[i].Drain, s[0].Backends[i].Admin = nil, proxy.AdminReady
		s[0].Backends[i].Since = start.Add(-90 * time.Hour)
	}
	s[1].Queue.Waiting, engine.waiters, engine.sessions = 0, nil, nil
	s[1].Lock.Holders = nil
	for b.Loop() {
		m, err := newModel(b.Context(), Config{Source: &ticking{engine}})
		if err != nil {
			b.Fatal(err)
		}
		bytes, cpu := idleFor(b, m, 3*time.Second)
		b.ReportMetric(bytes/3, "bytes/s")
		b.ReportMetric(cpu/3*100, "%cpu")
	}
}

// ticking is an engine whose clock runs.
type ticking struct{ *fake }

func (t *ticking) Status(ctx context.Context) (s *api.Status, err error) {
	s, err = t.fake.Status(ctx)
	if s != nil {
		s.Node.Now = time.Now()
	}
	return s, err
}
