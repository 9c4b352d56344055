//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestReferenceHasTheEnvironment: of each command that tcpctl runs. In a real instance, each
// command writes its environment to a file.
func TestReferenceHasTheEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := startBackend(t, "a")
	writes := func(name, more string) string {
		return fmt.Sprintf(`["sh", "-c", "env | grep ^TCPCTL_ > %s/%s.new; mv %[1]s/%[2]s.new %[1]s/%[2]s%s"]`, dir, name, more)
	}
	source := filepath.Join(dir, "source.sh")
	writeProgram(t, source, fmt.Sprintf("#!/bin/sh\nenv | grep ^TCPCTL_ > %s/discover\necho '[{\"name\": \"a\", \"addr\": \"%s\"}]'\n", dir, b.addr))
	in := runConfigured(t, fmt.Sprintf(`[notify]
run = %s
on = ["mark"]
[services.db]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = "%s", restart = %s }]
check = { type = "exec", run = %s, interval = "100ms" }
lock = { slots = 1, ttl = "300ms" }
hooks = { ready = "none", before_next = { run = %s, every = 1 }, on_ttl = { run = %s } }
[services.found]
listen = "127.0.0.1:0"
discover = "exec:%s"
`, writes("notify", ""), b.addr, writes("restart", ""), writes("check", ""), writes("before_next", ""), writes("on_ttl", ""), source))
	in.until("the check has passed", func(s *proxy.ServiceInfo) bool { return s.Backends[0].State == proxy.StateUp })
	for range 2 { // before_next runs before the second, whose TTL expires
		c, err := dial(in.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.says("hello")
		c.hears("a: hello")
	}
	in.tcpctl("mark", "OPS-77")
	in.tcpctl("restart", "db/a", "--then", "cut", "--force", "--limit", "1s")
	for name, section := range map[string]string{"before_next": "Hooks and restarts", "on_ttl": "Hooks and restarts", "restart": "Hooks and restarts",
		"check": "Checks", "discover": "Sources of backends", "notify": "Notifications"} {
		var text []byte
		for began := time.Now(); len(text) == 0; restSince(began) {
			if text, _ = os.ReadFile(filepath.Join(dir, name)); time.Since(began) > patience {
				t.Fatalf("%s has not run:\n%s", name, in.tcpctl("events"))
			}
		}
		var is []string
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); !slices.Contains(os.Environ(), line) { // otherwise inherited from the test
				variable, _, _ := strings.Cut(line, "=")
				is = append(is, variable)
			}
		}
		bothWays(t, "hooks.md, "+section+", "+name, tableOf(t, "hooks.md", section), is)
	}
}

// TestReferenceHasTheAccessLog: of a live session, and of one that has ended.
func TestReferenceHasTheAccessLog(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "a")
	file := filepath.Join(t.TempDir(), "access")
	in := runConfigured(t, fmt.Sprintf("[log]\naccess = %q\naccess_flush = \"1s\"\n[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [%q]\n", file, b.addr))
	c, err := dial(in.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.says("hello")
	c.hears("a: hello")
	lines := map[string]map[string]any{}
	for began := time.Now(); len(lines) < 2; restSince(began) {
		if time.Since(began) > patience {
			t.Fatalf("there are %v", lines)
		}
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			var v map[string]any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				continue // incomplete: still being written
			}
			if v["ongoing"] == true {
				lines["A session that goes on"] = v
				c.Close()
				continue
			}
			lines["A session that has ended"] = v
		}
	}
	for section, line := range lines {
		said := tableOf(t, "access-log.md", section)
		for _, key := range slices.Sorted(maps.Keys(line)) {
			if !slices.Contains(said, key) {
				t.Errorf("docs/access-log.md, %s, has no %s", section, key)
			}
		}
		text, _ := references.ReadFile("docs/access-log.md")
		_, after, _ := strings.Cut(string(text), "## "+section)
		for _, key := range said {
			_, row, _ := strings.Cut(after, "| `"+key+"` |")
			kind, _, _ := strings.Cut(row, "|")
			if _, has := line[key]; !has && !strings.Contains(kind, "optional") {
				t.Errorf("%s: the line has no %s: %v", section, key, line)
			}
		}
	}
}
