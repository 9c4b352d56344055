package tui

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// remembering is a fake engine with a history.
type remembering struct {
	*fake
	api.History
	series []api.Series
	err    error
	asked  []api.SeriesQuery
}

func (r *remembering) Series(_ context.Context, q api.SeriesQuery) ([]api.Series, error) {
	r.asked = append(r.asked, q)
	return r.series, r.err
}

// recorded is a series of the 5 minutes before the console attaches, of a service that moves each
// bytes a second.
func recorded(service, backend string, each int64) api.Series {
	s := api.Series{Service: service, Backend: backend, StepSeconds: 1}
	for at := start.Add(-historySpan); at.Before(start); at = at.Add(time.Second) {
		s.Points = append(s.Points, api.Point{At: at, BytesIn: each, New: 1, Abandoned: 1})
	}
	return s
}

func TestGraphsBeginBeforeTheConsoleAttached(t *testing.T) {
	engine := edge()
	r := &remembering{fake: engine}
	web := engine.status.Services[0]
	r.series = []api.Series{recorded(web.Name, "", 3000), recorded("office", "", 1000), recorded(web.Name, web.Backends[0].Name, 2000)}
	c := newConsole(t, engine, 140, 45, func(cfg *Config) { cfg.Source = r })
	for what, want := range map[string]struct {
		h    *history
		each float64
	}{
		"all services": {c.stats.history(""), 4000},
		"one":          {c.stats.history(web.Name), 3000},
		"a backend":    {c.stats.pastBackends[web.Name+"/"+web.Backends[0].Name], 2000},
	} {
		rates := want.h.rates(100, c.stats.now(), func(p *point) int64 { return p.in })
		for i, rate := range rates[2:98] {
			if rate != want.each {
				t.Fatalf("%s: column %d has %v/s, not %v", what, i+2, rate, want.each)
			}
		}
	}
	then, now, _ := c.stats.history(web.Name).since(historySpan)
	if n := now.unserved - then.unserved; n < 298 {
		t.Errorf("%d abandoned in 5 minutes", n)
	}
	c.pass(time.Second)
	c.pass(time.Second)
	if len(r.asked) != 1 {
		t.Errorf("it asked %d times: %+v", len(r.asked), r.asked)
	}
	c.engine.change(func(f *fake) { f.status.Node.Started = f.status.Node.Now })
	c.pass(time.Second)
	if len(r.asked) != 2 {
		t.Errorf("of an engine that was restarted it asked %d times", len(r.asked))
	}
}

// TestAnEngineWithoutAHistory: the graphs begin when the console attaches, and the engine is not
// asked again.
func TestAnEngineWithoutAHistory(t *testing.T) {
	engine := edge()
	r := &remembering{fake: engine, err: errors.New("no history is kept")}
	c := newConsole(t, engine, 140, 45, func(cfg *Config) { cfg.Source = r })
	c.pass(time.Second)
	if n := len(c.stats.history("").points); n > 2 || len(r.asked) != 1 {
		t.Errorf("%d points, asked %d times", n, len(r.asked))
	}
}
