//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// untilFile waits until the file contains the text.
func untilFile(t *testing.T, path, text string) {
	t.Helper()
	for began := time.Now(); ; restSince(began) {
		got, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(got), text) {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("timeout waiting in %s for %q: %v\n%s", filepath.Base(path), text, err, got)
		}
	}
}

// TestUSR1OpensTheLogsAgain: as with logrotate, lines after the signal go to new files with the old
// names; no line is lost or written twice.
func TestUSR1OpensTheLogsAgain(t *testing.T) {
	b := startBackend(t, "a")
	dir := t.TempDir()
	log, access := filepath.Join(dir, "log"), filepath.Join(dir, "access")
	in := runConfigured(t, fmt.Sprintf(`[log]
file = %q
access = %q
[services.db]
listen = "127.0.0.1:0"
backends = [%q]
`, log, access, b.addr))
	session := func() (client string) {
		c, err := dial(in.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.says("hello")
		if err := c.hears("a: hello"); err != nil {
			t.Error(err)
		}
		return c.LocalAddr().String()
	}
	before := session()
	untilFile(t, access, before)
	in.tcpctl("mark", "before", "the", "rotation")
	untilFile(t, log, "before the rotation")
	for _, path := range []string{log, access} {
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := sendSignal(in.cmd.Process.Pid, syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	untilFile(t, log, "")
	untilFile(t, access, "")
	after := session()
	untilFile(t, access, after)
	in.tcpctl("mark", "after", "the", "rotation")
	untilFile(t, log, "after the rotation")
	for path, not := range map[string]string{
		log: "before the rotation", log + ".1": "after the rotation", access: before, access + ".1": after,
	} {
		text, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(text), not) {
			t.Errorf("%s has %q: %v\n%s", filepath.Base(path), not, err, text)
		}
	}
}
