//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestARollOfTwoRedis restarts two redis-servers, one after the other, while clients connect again
// and again.
func TestARollOfTwoRedis(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"redis-server", "redis-cli"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	restart := func(addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		t.Cleanup(func() { exec.Command("redis-cli", "-p", port, "shutdown", "nosave").Run() })
		return `["sh", "-c", "redis-cli -p ` + port + ` shutdown nosave; exec redis-server --port ` + port +
			` --bind 127.0.0.1 --save '' --dir ` + t.TempDir() + ` --daemonize yes"]`
	}
	addrA, _ := startRedis(t)
	addrB, _ := startRedis(t)
	in := runConfigured(t, fmt.Sprintf(`
[services.cache]
listen = "127.0.0.1:0"
backends = [
  { name = "a", addr = %q, restart = %s },
  { name = "b", addr = %q, restart = %s },
]
`, addrA, restart(addrA), addrB, restart(addrB)))
	addr := in.addr()
	clients := comeAgain(t, 8, func() error { return ping(addr) })
	out := in.tcpctl("roll", "cache", "--reason", "new version")
	t.Logf("%d sessions served meanwhile\n%s", clients.end(), out)
	r, err := in.Report(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	if r.State != proxy.PlanDone || r.Numbers.Failed+r.Numbers.Cut != 0 {
		t.Errorf("%+v", r)
	}
	for _, what := range []string{"drain a", "restart a", "ready a", "drain b", "restart b", "ready b"} {
		if !strings.Contains(out, what+": done") {
			t.Errorf("no step %q", what)
		}
	}
	if out, status := in.try("roll", "cache", "--min-up", "2"); status != 1 || !strings.Contains(out, "only 1 of 1 others up, 2 wanted") {
		t.Errorf("--min-up: status %d\n%s", status, out)
	}
	if out := in.tcpctl("roll", "cache", "--dry-run"); !strings.Contains(out, "nothing was done") {
		t.Errorf("--dry-run:\n%s", out)
	}
}
