package api

import (
	"slices"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestImpactSaysWhatHolds: an option that is not given has a default, which counts as much.
func TestImpactSaysWhatHolds(t *testing.T) {
	backend := func(name string) proxy.BackendInfo {
		return proxy.BackendInfo{Name: name, State: proxy.StateUp, Admin: proxy.AdminReady, Eligible: true, Active: 2}
	}
	status := func(d *proxy.PauseDefaults) *Status {
		return &Status{Node: Node{GraceSeconds: 90}, Services: []proxy.ServiceInfo{{Name: "db", State: proxy.StateOpen, PauseDefaults: d,
			Sessions: proxy.SessionCounts{Active: 4}, Queue: proxy.QueueInfo{Waiting: 3, Max: 10}, Backends: []proxy.BackendInfo{backend("a"), backend("b")}}}}
	}
	abort := &proxy.PauseDefaults{LimitSeconds: 30, Then: proxy.ThenAbort, MaxSeconds: 120, OnMax: "resume"}
	cut := &proxy.PauseDefaults{LimitSeconds: 30, Then: proxy.ThenCut, MaxSeconds: 120, OnMax: "reject", Rate: 50}
	for _, x := range []struct {
		name   string
		def    *proxy.PauseDefaults
		act    string
		target string
		o      Options
		want   []string
		level  Level
		cut    int
	}{
		{"a pause", abort, "pause", "db", Options{}, []string{"limit 30s (default), then the pause is given up", "clients are held for 2m at most (default), then they are admitted"}, LevelDialog, 0},
		{"with a limit", abort, "pause", "db", Options{Limit: time.Minute}, []string{"limit 1m, then the pause is given up (default)"}, LevelDialog, 0},
		{"with both", abort, "pause", "db", Options{Limit: time.Minute, Then: "keep"}, []string{"limit 1m, then the pause goes on without waiting for them"}, LevelDialog, 0},
		{"the file cuts", cut, "pause", "db", Options{}, []string{"limit 30s (default), then live sessions are cut", "clients are held for 2m at most (default), then they are rejected"}, LevelTyped, 4},
		{"a restart", abort, "restart", "db/a", Options{}, []string{"limit 30s (default), then the restart is given up"}, LevelDialog, 0},
		{"a roll", abort, "roll", "db", Options{}, []string{"limit 30s (default), then the roll is given up"}, LevelDialog, 0},
		{"a drain", abort, "drain", "db/a", Options{}, []string{"no limit: the drain lasts until they end"}, LevelYesNo, 0},
		{"a drain with a limit", abort, "drain", "db/a", Options{Limit: time.Minute}, []string{"limit 1m, then the drain goes on without waiting for them (default)"}, LevelYesNo, 0},
		{"as long as the pause", &proxy.PauseDefaults{Then: proxy.ThenAbort, MaxSeconds: 60}, "pause", "db", Options{}, []string{"no limit for live sessions but the end of the pause"}, LevelDialog, 0},
		{"a resume", cut, "resume", "db", Options{}, []string{"3 waiting clients admitted 50 a second (default)"}, LevelNone, 0},
		{"a resume with a rate", cut, "resume", "db", Options{Rate: 2}, []string{"3 waiting clients admitted 2 a second"}, LevelNone, 0},
		{"a stop", abort, "stop", "", Options{}, []string{"4 sessions and 3 waiting clients get 1m30s (default), then they are reset"}, LevelTyped, 4},
		{"another version", nil, "pause", "db", Options{}, []string{"4 live sessions end by themselves"}, LevelDialog, 0},
	} {
		r := Request{Act: x.act, Options: x.o}
		if x.target != "" {
			r.Targets = []string{x.target}
		}
		got := Lookup(x.act).Impact(status(x.def), &r)[0]
		for _, want := range x.want {
			if !slices.Contains(got.Lines, want) {
				t.Errorf("%s: %q is not in %q", x.name, want, got.Lines)
			}
		}
		if got.Level != x.level || got.Cut != x.cut || got.Warning != "" {
			t.Errorf("%s: level %v, cut %d, warning %q", x.name, got.Level, got.Cut, got.Warning)
		}
	}
}
