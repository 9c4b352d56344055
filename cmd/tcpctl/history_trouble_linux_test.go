package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTroubleOfTheHistory: a garbage, locked or read-only file, or a full disk, affects no client,
// and causes one warning. The full disk takes minutes, and needs TCPCTL_HISTORY.
func TestTroubleOfTheHistory(t *testing.T) {
	t.Parallel()
	long := os.Getenv("TCPCTL_HISTORY") != ""
	inNamespace := func(mount string) func(string) []string {
		return func(dir string) []string {
			return []string{"unshare", "--mount", "sh", "-c", "cd " + dir + " && " + mount + ` && exec "$@"`, "sh"}
		}
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		prefix  func(dir string) []string
		begun   func(t *testing.T, dir string)
		why     string
		skip    bool
	}{
		"garbage": {why: "was damaged", prepare: func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "history.db"), strings.Repeat("this is no database ", 10_000))
		}},
		"locked": {why: "locked", begun: func(t *testing.T, dir string) {
			sqlite := exec.Command("sqlite3", filepath.Join(dir, "history.db"))
			stdin, err := sqlite.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := sqlite.StdoutPipe()
			if err == nil {
				err = sqlite.Start()
			}
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { stdin.Close(); sqlite.Wait() })
			// Without the timeout, sqlite3 gives up if tcpctl is just writing.
			fmt.Fprintln(stdin, ".timeout 60000\nBEGIN EXCLUSIVE;\nSELECT 'held';")
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
				t.Fatalf("sqlite3 says %q, %v", line, err)
			}
		}},
		"read-only": {why: "read-only", prefix: inNamespace("mount --bind . . && mount -o remount,ro,bind ."), skip: os.Getuid() != 0},
		"full":      {why: "full", prefix: inNamespace("mount -t tmpfs -o size=256k none ."), skip: os.Getuid() != 0 || !long},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.skip {
				t.Skip("needs root, and the full disk TCPCTL_HISTORY")
			}
			b := startBackend(t, "a")
			dir, path := t.TempDir(), filepath.Join(t.TempDir(), "tcpctl.toml")
			write(t, path, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"a\", addr = %q }]\n[history]\nfile = %q\n", b.addr, filepath.Join(dir, "history.db")))
			if c.prepare != nil {
				c.prepare(t, dir)
			}
			var prefix []string
			if c.prefix != nil {
				prefix = c.prefix(dir)
			}
			in := runInstance(t, prefix, "run", "-c", path, "--no-ui")
			in.until("the backend", backendUp)
			if c.begun != nil {
				c.begun(t, dir)
			}
			night := newNight(in.addr())
			warnings := func() int {
				return strings.Count(in.log(), "history is not written") + strings.Count(in.log(), "was damaged")
			}
			waitUntil(t, "a warning", func() bool { return warnings() > 0 })
			served := night.served.Load()
			waitUntil(t, "served clients", func() bool { return night.served.Load() > served+200 })
			night.end()
			if n := night.failed.Load(); n > 0 {
				t.Errorf("%d clients have failed", n)
			}
			if !strings.Contains(in.log(), c.why) || warnings() != 1 {
				t.Errorf("%d warnings, and none says %q", warnings(), c.why)
			}
			t.Logf("%d clients served, none failed: %+v", night.served.Load(), *in.status().History)
		})
	}
}
