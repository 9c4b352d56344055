//go:build unix

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// A checkedServer is a backend that each node checks with its own path, and that counts concurrent checks.
type checkedServer struct {
	*httptest.Server
	mu        sync.Mutex
	down      bool
	who       []string // the nodes that checked, in order
	now, most int
}

func newCheckedServer(t *testing.T) *checkedServer {
	b := &checkedServer{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.who = append(b.who, strings.TrimPrefix(r.URL.Path, "/"))
		b.now++
		b.most = max(b.most, b.now)
		if b.down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		b.mu.Unlock()
		time.Sleep(5 * time.Millisecond) // how long a check uses a slot of the backend
		b.mu.Lock()
		b.now--
		b.mu.Unlock()
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *checkedServer) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// untilOne waits until that many consecutive checks came from one node, and returns its name.
func (b *checkedServer) untilOne(t *testing.T, checks int) (who string) {
	t.Helper()
	b.mu.Lock()
	from := len(b.who)
	b.mu.Unlock()
	for began := time.Now(); ; restSince(began) {
		b.mu.Lock()
		last, n := b.who[from:], 0
		for n < len(last) && last[len(last)-1-n] == last[len(last)-1] {
			n++
		}
		if n >= checks {
			defer b.mu.Unlock()
			return last[len(last)-1]
		}
		b.mu.Unlock()
		if time.Since(began) > 2*patience {
			t.Fatalf("no node checks alone: %q", last)
		}
	}
}

// TestRule25dOneNodeChecks: one node checks for all, within the slots; if it is killed another takes over, and its
// results apply on all nodes.
func TestRule25dOneNodeChecks(t *testing.T) {
	t.Parallel()
	b := newCheckedServer(t)
	all, _ := clusterBefore(t, func(node string) string {
		return fmt.Sprintf("backends = [{ name = \"a\", addr = %q }]\nlock = { slots = 1, scope = \"cluster\" }\n"+
			"check = { type = \"http\", path = \"/%s\", interval = \"100ms\" }\n", b.Listener.Addr(), node)
	})
	first := b.untilOne(t, 30)
	var checks *running
	var rest []*running
	for _, in := range all {
		if in.status().Mesh.Node == first {
			checks = in
			seesBackend(in, proxy.StateUp, "")
			continue
		}
		seesBackend(in, proxy.StateUp, first)
		rest = append(rest, in)
	}
	leading(t, all)
	checks.cmd.Process.Kill()
	checks.cmd.Wait()
	second := b.untilOne(t, 30)
	if second == first {
		t.Fatalf("%s checks, and was killed", second)
	}
	for _, down := range []bool{true, false} {
		b.set(down)
		state := proxy.StateUp
		if down {
			state = proxy.StateDown
		}
		for _, in := range rest {
			by := second
			if in.status().Mesh.Node == second {
				by = ""
			}
			seesBackend(in, state, by)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t.Logf("%s, then %s; %d checks, at most %d at a time", first, second, len(b.who), b.most)
}

// seesBackend waits until a node shows the backend in a state according to another node's checks.
func seesBackend(in *running, state, by string) {
	in.t.Helper()
	in.until("it is "+state+", checked by "+by, func(s *proxy.ServiceInfo) bool {
		a := s.Backends[0]
		return a.State == state && a.Check != nil && a.Check.By == by
	})
	if out := in.tcpctl("status"); by != "" && !strings.Contains(out, "checked by "+by) {
		in.t.Errorf("it does not say that %s checks:\n%s", by, out)
	}
}
