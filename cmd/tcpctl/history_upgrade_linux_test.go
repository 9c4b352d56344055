package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestHistoryContinuesOverAnUpgrade: each client is counted once, whichever of the two processes
// served it, and events are numbered consecutively.
func TestHistoryContinuesOverAnUpgrade(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "a")
	path := filepath.Join(t.TempDir(), "tcpctl.toml")
	write(t, path, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"a\", addr = %q }]\n[history]\nfile = %q\n", b.addr, path+".db"))
	s := runInstalled(t, nil, "run", "--no-ui", "-c", path)
	began := time.Now()
	night := newNight(s.addr())
	waitUntil(t, "served clients", func() bool { return night.served.Load()+night.failed.Load() > 50 })
	s.tcpctl("mark", "before")
	s.tcpctl("upgrade")
	n := night.served.Load() + night.failed.Load()
	waitUntil(t, "clients of the new process", func() bool { return night.served.Load()+night.failed.Load() > n+50 })
	s.tcpctl("mark", "after")
	night.end()
	total := night.served.Load() + night.failed.Load()
	var i *api.Incident
	waitUntil(t, "the last second", func() bool {
		var err error
		i, err = s.Incident(t.Context(), api.Stretch{Since: began.Add(-time.Second), Until: time.Now()})
		return err == nil && i.Impact.Clients >= total && len(i.Marks) == 2
	})
	if i.Impact.Clients > total+5 { // the test's own connections
		t.Errorf("%d clients are counted, there were %d", i.Impact.Clients, total)
	}
	events, err := s.Events(t.Context(), 0, false)
	if err != nil || events.Dropped > 0 {
		t.Fatalf("%+v, %v", events, err)
	}
	marks := 0
	for n, ev := range events.Events {
		if n > 0 && ev.Seq != events.Events[n-1].Seq+1 {
			t.Errorf("%d comes after %d", ev.Seq, events.Events[n-1].Seq)
		}
		if ev.Kind == "mark" {
			marks++
		}
	}
	if marks != 2 {
		t.Errorf("%d marks are among the events", marks)
	}
}
