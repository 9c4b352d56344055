//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// beyond are the keys of a status that the contract's example does not have, including all keys
// below them.
var beyond = []string{
	".node.now",                                         // the clock of all ages
	".node.grace_seconds", ".services[].pause_defaults", // for the console's dialogs
	".history", ".certificates",
	".services[].balance", ".services[].times", ".services[].endings",
	".services[].pause.limit", ".services[].pause.then",
	".services[].backends[].drain.since", ".services[].backends[].drain.reason",
	".services[].backends[].check.threshold", ".services[].backends[].check.last",
	".mesh.node", ".mesh.id", ".mesh.label", ".mesh.listen", ".mesh.secret", ".mesh.sources", ".mesh.peers[].label",
	".mesh.peers[].id", ".mesh.peers[].since", ".mesh.peers[].seen", ".mesh.peers[].skew_seconds", ".mesh.peers[].version",
	".mesh.peers[].trusted", ".mesh.peers[].services",
	".node.reload", ".services[].backends[].checks", ".services[].sessions.redispatched",
	".plan.owner", ".plan.reason", ".plan.state", ".plan.steps[].detail",
}

// TestStatusIsTheContracts: a status in which everything applies at once has exactly the keys of
// the contract's example (testdata/status.json) and those above, with values of the same kind.
func TestStatusIsTheContracts(t *testing.T) {
	t.Parallel()
	in := everythingAtOnce(t)
	text, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	want := kindsOf(t, text)
	for from, text := range map[string][]byte{
		"status --json":  []byte(in.tcpctl("status", "--json")),
		"GET /v1/status": get(t, in.socket, "/v1/status"),
	} {
		got := kindsOf(t, text)
		for path, kind := range want {
			if got[path] != kind {
				t.Errorf("%s: %s is %q, and the contract says %s", from, path, got[path], kind)
			}
		}
		for _, path := range slices.Sorted(maps.Keys(got)) {
			known := func(p string) bool {
				return path == p || strings.HasPrefix(path, p+".") || strings.HasPrefix(path, p+"[")
			}
			if want[path] == "" && !slices.ContainsFunc(beyond, known) {
				t.Errorf("%s: %s is not in the contract", from, path)
			}
		}
		if t.Failed() {
			t.Fatalf("%s", text)
		}
	}
	// Keys that do not apply must be absent.
	plain := kindsOf(t, []byte(runInstance(t, nil, "proxy", "--no-ui", "--listen", "127.0.0.1:0", "--backend", proxytest.FreePort(t), "--check", "none").tcpctl("status", "--json")))
	for _, path := range []string{".mesh", ".plan", ".services[].lock", ".services[].pause", ".services[].backends[].drain",
		".services[].backends[].check", ".services[].backends[].rtt_seconds", ".services[].backends[].max_sessions", ".services[].reason"} {
		if plain[path] != "" {
			t.Errorf("%s is there and does not apply", path)
		}
	}
}

// everythingAtOnce runs an instance with a drain, a lock, a window whose command runs, a waiting
// client, and a peer.
func everythingAtOnce(t *testing.T) *running {
	t.Helper()
	b := startBackend(t, "a")
	first := proxytest.FreePort(t)
	node := func(n int, listen string) *running {
		return runConfigured(t, fmt.Sprintf(`[services.db]
listen = "127.0.0.1:0"
balance = "first"
backends = [{ name = "a", addr = "%s", max_sessions = 100 }, { name = "b", addr = "%s" }]
lock = { slots = 3, ttl = "1h" }
[mesh]
name = "lab"
node = "edge-%d"
listen = "%s"
join = ["%s"]
mdns = false
`, b.addr, b.addr, n, listen, first)).running
	}
	in := node(1, first)
	node(2, "127.0.0.1:0")
	in.untilPeers(1)
	enter := func() *client {
		c, err := dial(in.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	live := enter()
	live.says("hello")
	if err := live.hears("a: hello"); err != nil {
		t.Fatal(err)
	}
	in.tcpctl("drain", "db/a", "--limit", "1h", "--then", "keep")
	// The command runs until the end of its input.
	window := exec.Command("tcpctl", "window", "db", "--reason", "kernel patch", "--limit", "10ms", "--then", "keep", "--socket", in.socket, "--", "cat")
	stdin, err := window.StdinPipe()
	if err == nil {
		err = window.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); window.Wait() })
	in.until("the window's command", func(s *proxy.ServiceInfo) bool { return s.Pause != nil && s.Pause.Step == "command" })
	enter()
	in.until("one who waits", func(s *proxy.ServiceInfo) bool {
		return s.Queue.Waiting == 1 && in.status().Mesh.Peers[0].RTTSeconds > 0 // after a heartbeat
	})
	return in
}

// kindsOf returns the kind of value at each path of keys.
func kindsOf(t *testing.T, text []byte) map[string]string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			kinds[path] = "an object"
			for key, below := range v {
				walk(path+"."+key, below)
			}
		case []any:
			kinds[path] = "a list"
			for _, below := range v {
				walk(path+"[]", below)
			}
		case string:
			kinds[path] = "a text"
		case float64:
			kinds[path] = "a number"
		case bool:
			kinds[path] = "true or false"
		}
	}
	walk("", v)
	return kinds
}

// get asks the control socket as any program would.
func get(t *testing.T, socket, path string) []byte {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("http://tcpctl" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("GET %s: %v, %s, %v", path, resp.Status, resp.Header, err)
	}
	return text
}
