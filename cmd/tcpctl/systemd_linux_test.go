package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestASystemdService passes a socket to tcpctl as systemd does, and reads its notifications:
// ready, reloading, ready, stopping. A client that connected before the start is served.
func TestASystemdService(t *testing.T) {
	b := startBackend(t, "a")
	dir, err := os.MkdirTemp("", "tcpctl")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	ln := proxytest.Listen(t)
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	early, err := dial(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	early.says("anybody there?")

	path := filepath.Join(dir, "tcpctl.toml")
	text := "[services.db]\nlisten = \"127.0.0.1:1\"\nbackends = [\"" + b.addr + "\"]\n"
	write(t, path, text)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec tcpctl run --no-ui -c "$0" --socket "$1"`, path, filepath.Join(dir, "s"))
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "notify"), "LISTEN_FDS=1", "LISTEN_FDNAMES=db")
	cmd.ExtraFiles = []*os.File{file}
	log := new(strings.Builder)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log)
		}
	}()
	hears := func(want string) {
		t.Helper()
		var buf [4096]byte
		for {
			manager.SetReadDeadline(time.Now().Add(patience))
			n, err := manager.Read(buf[:])
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			said := "\n" + string(buf[:n]) + "\n"
			if strings.Contains(said, "\n"+want+"\n") {
				return
			}
			if !strings.HasPrefix(said, "\nWATCHDOG") && !strings.HasPrefix(said, "\nSTATUS") {
				t.Errorf("waiting for %s: %q", want, said)
			}
		}
	}
	hears("READY=1")
	if err := early.hears("a: anybody there?"); err != nil {
		t.Error(err)
	}
	write(t, path, text+"idle_timeout = \"5m\"\n")
	cmd.Process.Signal(syscall.SIGHUP)
	hears("RELOADING=1")
	hears("READY=1")
	write(t, path, "nonsense\n")
	cmd.Process.Signal(syscall.SIGHUP)
	hears("RELOADING=1")
	hears("READY=1") // with the old configuration
	early.says("still here?")
	if err := early.hears("a: still here?"); err != nil {
		t.Error(err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	hears("STOPPING=1")
	if out, status := runTcpctl(t, "stop", "--grace", "1h", "--socket", filepath.Join(dir, "s")); status != 0 {
		t.Errorf("status %d: %s", status, out)
	}
	hears("EXTEND_TIMEOUT_USEC=3610000000")
	early.CloseWrite()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
