package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// follow waits until a process has taken over, and makes the test use it.
func (in *running) follow(old int) (pid int) {
	in.t.Helper()
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		in.Client.Close()
		in.Client = control.Dial(in.socket)
		if st, err := in.Status(context.Background()); err == nil && st.Node.PID != old {
			return st.Node.PID
		}
	}
	in.t.Fatalf("no process has taken over from %d", old)
	return 0
}

// ends stops the newest process, which is not the test's child.
func (in *running) ends() {
	in.tcpctl("stop", "--grace", "1s")
	for began := time.Now(); ; restSince(began) {
		if _, err := os.Lstat(in.socket); err != nil {
			return
		}
		if time.Since(began) > patience {
			in.t.Fatal("it does not end")
		}
	}
}

// TestUpgradesThatNobodyNotices replaces the process of a lock again and again while clients
// connect: none fails, and there is never more than one at the backend, whichever process it came
// through.
func TestUpgradesThatNobodyNotices(t *testing.T) {
	t.Parallel()
	const clients, upgrades = 16, 6
	soffice := newFragile(t)
	in := runInstance(t, nil, "lock", "-l", "127.0.0.1:0", "-p", soffice.ln.Addr().String(), "-n", "1", "--queue-timeout", "5m")
	addr, pid := in.addr(), in.cmd.Process.Pid
	stop := make(chan struct{})
	var served atomic.Int64
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(pace):
				}
				c, err := dial(addr)
				if err == nil {
					text := fmt.Sprintf("%d of %d", i, n)
					c.says(text)
					err = c.hears(text)
					c.Close()
				}
				if err != nil {
					t.Errorf("client %d: %v", n, err)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := range upgrades {
		for before := served.Load(); served.Load() < before+2*clients && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		if n%2 == 0 {
			if out := in.tcpctl("upgrade"); !strings.Contains(out, fmt.Sprintf("takes over; process %d serves", pid)) {
				t.Errorf("upgrade printed %s", out)
			}
		} else if err := sendSignal(pid, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		pid = in.follow(pid)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d sessions in %d upgrades", served.Load(), upgrades)
	in.ends()
	in.cmd.Wait()
	if in.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("the first process ended with %v", in.cmd.ProcessState)
	}
}

// TestUpgradeKeeps what an operator has done, sockets, and clients.
func TestUpgradeKeeps(t *testing.T) {
	t.Parallel()
	a := startBackend(t, "a")
	dir, err := os.MkdirTemp("", "tcpctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "db.sock")
	file := filepath.Join(dir, "tcpctl.toml")
	text := fmt.Sprintf(`
[metrics]
listen = "127.0.0.1:0"
[services.db]
listen = ["127.0.0.1:0", "unix:%s"]
backends = [{ name = "a", addr = "%s" }, { name = "b", addr = "%[2]s" }]
[services.mail]
listen = "127.0.0.1:0"
backends = ["%[2]s"]
`, socket, a.addr)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := runInstance(t, nil, "run", "--no-ui", "-c", file)
	addr, pid := in.addr(), in.cmd.Process.Pid
	in.tcpctl("drain", "db/b", "--reason", "old disk")
	in.tcpctl("weight", "db/a", "7")
	in.tcpctl("add", "db", a.addr+",name=c")
	in.tcpctl("close", "mail", "--force")
	here := mustDial(t, addr)
	here.says("one")
	if err := here.hears("a: one"); err != nil {
		t.Fatal(err)
	}

	// If the file has become invalid, the upgrade fails with a message.
	os.WriteFile(file, []byte("[services.db]\nlisen = 1\n"), 0o600)
	if out, status := in.try("upgrade"); status != 1 || !strings.Contains(out, "unknown key") || !strings.Contains(out, "serves on") {
		t.Errorf("status %d: %s", status, out)
	}
	os.WriteFile(file, []byte(text), 0o600)
	in.tcpctl("pause", "db")
	if out, status := in.try("upgrade"); status != 1 || !strings.Contains(out, "paused by") {
		t.Errorf("while paused: status %d: %s", status, out)
	}
	in.tcpctl("resume", "db")

	in.tcpctl("upgrade")
	in.follow(pid)
	st := in.status()
	db, mail := &st.Services[0], &st.Services[1]
	if db.Listen[0] != addr || mail.State != proxy.StateClosed || db.Sessions.Active != 1 {
		t.Errorf("db on %v with %d sessions, mail is %s", db.Listen, db.Sessions.Active, mail.State)
	}
	b := map[string]proxy.BackendInfo{}
	for _, i := range db.Backends {
		b[i.Name] = i
	}
	if b["a"].Weight != 7 || b["b"].Admin != proxy.AdminDrain || b["c"].Addr != a.addr {
		t.Errorf("backends %+v", db.Backends)
	}
	two := st.Node.PID
	in.tcpctl("upgrade") // a third process beside two
	in.follow(two)
	here.says("two")
	if err := here.hears("a: two"); err != nil {
		t.Error(err)
	}
	for _, network := range [][2]string{{"tcp", addr}, {"unix", socket}} {
		c, err := net.Dial(network[0], network[1])
		if err != nil {
			t.Error(err)
			continue
		}
		fmt.Fprintln(c, "who")
		buf := make([]byte, 16)
		c.SetDeadline(time.Now().Add(patience))
		if n, err := c.Read(buf); string(buf[:n]) != "a: who\n" {
			t.Errorf("%v: %q, %v", network, buf[:n], err)
		}
		c.Close()
	}
	in.tcpctl("open", "mail")
	here.Close()
	in.until("the old one has ended", func(*proxy.ServiceInfo) bool {
		return strings.Contains(in.tcpctl("events"), "has served its last client")
	})
	in.ends()
	if _, err := os.Lstat(socket); err == nil {
		t.Error("its socket is left behind")
	}
}

// TestSocketFilesStay: neither the process that has handed over, nor one that could not take over
// although the other one was slow to notice, removes the files of Unix sockets that are served.
func TestSocketFilesStay(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "tcpctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := func(name string) string { return filepath.Join(dir, name) }
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path("key")).CombinedOutput(); err != nil {
		t.Skipf("ssh-keygen: %v\n%s", err, out)
	}
	text := func(more string) string {
		return fmt.Sprintf("[metrics]\nlisten = \"unix:%s\"\n[console.ssh]\nlisten = \"unix:%s\"\nauthorized_keys = \"key.pub\"\nhost_key = \"key\"\n"+
			"[services.db]\nlisten = [\"unix:%s\"%s]\nbackends = [\"127.0.0.1:1\"]\n", path("metrics"), path("ssh"), path("db"), more)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path("t.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(text(""))
	in := runInstalled(t, nil, "run", "--no-ui", "-c", path("t.toml"))
	all := []string{in.socket, path("metrics"), path("ssh"), path("db")}
	before := map[string]os.FileInfo{}
	for _, name := range all {
		if before[name], err = os.Lstat(name); err != nil {
			t.Fatal(err)
		}
	}
	stay := func(when string) {
		t.Helper()
		for _, name := range all {
			now, err := os.Lstat(name)
			if err != nil || !os.SameFile(before[name], now) {
				t.Errorf("%s: %s is not the same socket: %v", when, name, err)
			}
			c, err := net.Dial("unix", name)
			if err != nil {
				t.Errorf("%s: %v", when, err)
				continue
			}
			c.Close()
		}
	}
	taken := proxytest.Listen(t)
	write(text(", \"" + taken.Addr().String() + "\""))
	in.replace(`kill -STOP $PPID; "$REAL" "$@"; kill -CONT $PPID; exit 1`)
	if out, status := in.try("upgrade"); status != 1 || !strings.Contains(out, "address already in use") {
		t.Errorf("status %d: %s", status, out)
	}
	stay("after an upgrade that failed")

	write(text(""))
	in.replace(`exec "$REAL" "$@"`)
	in.tcpctl("upgrade")
	in.follow(in.cmd.Process.Pid)
	in.until("the old one has ended", func(*proxy.ServiceInfo) bool {
		return strings.Contains(in.tcpctl("events"), "has served its last client")
	})
	stay("after an upgrade")
	in.ends()
	for _, name := range all {
		if _, err := os.Lstat(name); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
}
