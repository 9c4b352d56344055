package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"testing"
	"time"
)

// TestTLSSessionsOutliveAnUpgrade, in loops as well as of an older TLS version: each continues in
// its process, and new ones are in the new process.
func TestTLSSessionsOutliveAnUpgrade(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "a")
	dir := t.TempDir()
	certificate(t, dir, "desk")
	in := runConfigured(t, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"a\", addr = %q }]\n[services.db.tls]\ncert = \"%s/desk.pem\"\nkey = \"%[2]s/desk.key\"\n", b.addr, dir))
	t.Cleanup(func() { in.try("stop", "--grace", "1ms") })
	addr, old := in.addr(), in.cmd.Process.Pid
	come := func(version uint16) (says func(text string)) {
		t.Helper()
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		r := bufio.NewReader(c)
		return func(text string) {
			t.Helper()
			c.SetDeadline(time.Now().Add(patience))
			fmt.Fprintln(c, text)
			if got, err := r.ReadString('\n'); got != "a: "+text+"\n" {
				t.Errorf("%s: read %q, %v", tls.VersionName(version), got, err)
			}
		}
	}
	versions := []uint16{tls.VersionTLS12, tls.VersionTLS13}
	var before []func(text string)
	for _, version := range versions {
		says := come(version)
		says("before")
		before = append(before, says)
	}
	in.tcpctl("upgrade")
	in.follow(old)
	for i, says := range before {
		says("still")
		come(versions[i])("after")
	}
}
