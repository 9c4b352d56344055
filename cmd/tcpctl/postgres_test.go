//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestPostgreSQLRestartsUnderPgbench: two windows around a restart, while clients reconnect for
// each transaction. Each client has its own thread: pgbench blocks the whole thread while
// connecting, so that a held client would block the others.
func TestPostgreSQLRestartsUnderPgbench(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs pgbench for some seconds")
	}
	pg := newPostgres(t)
	in := runConfigured(t, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"pg\", addr = %q }]\n", pg.addr))
	in.until("it is up", func(s *proxy.ServiceInfo) bool { return s.Backends[0].State == proxy.StateUp })
	_, port, _ := net.SplitHostPort(in.addr())
	bench := exec.Command("pgbench", "-n", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-C", "-c", "8", "-j", "8", "-t", "25", "-R", "60", "postgres") // a fixed number, however long they take
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	bench.Stdout, bench.Stderr = out, out
	if err := bench.Start(); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		in.until("transactions are done", func(s *proxy.ServiceInfo) bool { return s.Sessions.Total > int64(50*(n+1)) })
		args := append([]string{"window", "--socket", in.socket, "db", "--"}, pg.ctl("restart")...)
		if said, status := runTcpctl(t, args...); status != 0 {
			t.Errorf("status %d\n%s", status, said)
		}
		r, err := in.Report(context.Background(), "")
		if err != nil {
			t.Fatal(err)
		}
		if r.State != proxy.PlanDone || r.Numbers.Failed+r.Numbers.Cut != 0 {
			t.Errorf("%+v", r)
		}
	}
	err = bench.Wait()
	said := readFile(t, out.Name())
	if err != nil || !strings.Contains(said, "number of failed transactions: 0 ") {
		t.Errorf("%v\n%s", err, said)
	}
}

// postgres is a database server of one test, without TLS. Root runs it as Debian's user postgres.
type postgres struct {
	addr, bin, dir string
	as             []string
}

func newPostgres(t *testing.T) *postgres {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if _, err := exec.LookPath("pgbench"); err != nil || len(found) == 0 {
		t.Skip("postgresql is not installed")
	}
	dir, err := os.MkdirTemp("", "pg") // short, as its socket is in there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &postgres{bin: filepath.Dir(found[0]), dir: dir}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skip("root cannot run it, and there is no user postgres")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		p.as = []string{"setpriv", "--reuid", u.Uid, "--regid", u.Gid, "--clear-groups", "env", "-C", dir}
	}
	p.addr = proxytest.FreePort(t)
	p.run(t, append(p.as, filepath.Join(p.bin, "initdb"), "-N", "-A", "trust", "-U", "postgres", "-D", dir+"/data"))
	p.run(t, p.ctl("start"))
	t.Cleanup(func() { p.run(t, p.ctl("stop")) })
	_, port, _ := net.SplitHostPort(p.addr)
	p.run(t, []string{"pgbench", "-i", "-q", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "postgres"})
	return p
}

func (p *postgres) ctl(what string) []string {
	_, port, _ := net.SplitHostPort(p.addr)
	return append(p.as[:len(p.as):len(p.as)], filepath.Join(p.bin, "pg_ctl"), "-D", p.dir+"/data", "-l", p.dir+"/log", "-m", "fast", "-w",
		"-o", fmt.Sprintf("-p %s -k %s -c listen_addresses=127.0.0.1 -c fsync=off", port, p.dir), what)
}

func (p *postgres) run(t *testing.T, argv []string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}
