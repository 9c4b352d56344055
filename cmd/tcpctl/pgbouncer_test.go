//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestAWindowEndsThePoolsOfADatabase: PgBouncer keeps its sessions for ever, so a window around a
// restart reaches its limit. With --quiet it ends each session between transactions, and no
// transaction fails. TCPCTL_POOL=64 runs 64 clients and five windows: on a busy machine, a request
// may cross the end of its connection (rule 46).
func TestAWindowEndsThePoolsOfADatabase(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs pgbench for some seconds")
	}
	if _, err := exec.LookPath("pgbouncer"); err != nil {
		t.Skip("pgbouncer is not installed")
	}
	clients, windows := os.Getenv("TCPCTL_POOL"), 5
	if clients == "" {
		clients, windows = "8", 1
	}
	pg := newPostgres(t)
	in := runConfigured(t, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"pg\", addr = %q }]\ndrain.protocol = \"postgres\"\n", pg.addr))
	in.until("it is up", func(s *proxy.ServiceInfo) bool { return s.Backends[0].State == proxy.StateUp })
	pool := newPgbouncer(t, pg, in.addr())
	_, port, _ := net.SplitHostPort(pool)
	script := filepath.Join(t.TempDir(), "script.sql")
	// Some clients pause within a transaction for longer than the window's --quiet, which must not
	// cut them.
	text := "\\set aid random(1, 100000)\n\\set think random(100, 3000)\nBEGIN;\nUPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;\n" +
		"\\if :think > 2700\n\\sleep 300 ms\n\\endif\nEND;\n\\sleep :think ms\n"
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	bench := exec.Command("pgbench", "-n", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-c", clients, "-j", "2", "-T", strconv.Itoa(6*windows+4), "-f", script, "postgres")
	bench.Stdout, bench.Stderr = out, out
	if err := bench.Start(); err != nil {
		t.Fatal(err)
	}
	in.until("transactions are done", func(s *proxy.ServiceInfo) bool { return s.BytesOut > 2000 })
	window := func(flags ...string) (said string, status int) {
		args := append(append([]string{"window", "db", "--socket", in.socket}, flags...), "--")
		return runTcpctl(t, append(args, pg.ctl("restart")...)...)
	}
	if said, status := window("--limit", "500ms"); status != 3 {
		t.Errorf("without --quiet: status %d\n%s", status, said)
	}
	for n := range windows {
		said, status := window("--quiet", "5ms", "--limit", "2m", "--max", "5m")
		if status != 0 {
			t.Errorf("status %d\n%s", status, said)
		}
		r, err := in.Report(context.Background(), "")
		if err != nil {
			t.Fatal(err)
		}
		if r.State != proxy.PlanDone || r.Numbers.Failed+r.Numbers.Cut != 0 {
			t.Errorf("%+v", r)
		}
		t.Logf("window %d took %s", n, time.Duration(r.Seconds*float64(time.Second)).Round(time.Millisecond))
	}
	err = bench.Wait()
	said := readFile(t, out.Name())
	if err != nil || !strings.Contains(said, "number of failed transactions: 0 ") {
		t.Errorf("%v\n%s", err, said)
	}
	t.Log(said)
}

// newPgbouncer starts a pool in front of an address, with unlimited server connections.
func newPgbouncer(t *testing.T, pg *postgres, addr string) (at string) {
	t.Helper()
	at = proxytest.FreePort(t)
	_, port, _ := net.SplitHostPort(at)
	host, dbPort, _ := net.SplitHostPort(addr)
	ini := fmt.Sprintf(`[databases]
postgres = host=%s port=%s user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 64
server_connect_timeout = 60
server_login_retry = 1
`, host, dbPort, port)
	path := filepath.Join(pg.dir, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	argv := append(pg.as[:len(pg.as):len(pg.as)], "pgbouncer", "-q", path)
	cmd := exec.Command(argv[0], argv[1:]...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		if c, err := net.Dial("tcp", at); err == nil {
			c.Close()
			return at
		}
	}
	t.Fatal("pgbouncer does not start")
	return ""
}
