package proxy

import (
	"io"
	"log/slog"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestTraceCostsNothingWhenItIsOff: a step of a session then allocates nothing.
func TestTraceCostsNothingWhenItIsOff(t *testing.T) {
	for name, log := range map[string]*slog.Logger{"no log": nil, "info": slog.New(slog.NewTextHandler(io.Discard, nil))} {
		e, err := New(Config{Log: log, Services: []ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []BackendConfig{{Addr: "127.0.0.1:1"}}}}})
		if err != nil {
			t.Fatal(err)
		}
		s := &Session{service: e.services[0], stage: atRecord}
		if n := testing.AllocsPerRun(100, func() { s.Step(relay.Event{Kind: relay.Timer}) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
