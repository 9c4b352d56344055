package systemd

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also the process that systemd would start: it runs serve.
func TestMain(m *testing.M) {
	if os.Getenv("SYSTEMD_TEST_SERVE") != "" {
		serve()
		return
	}
	goleak.VerifyTestMain(m)
}

// serve claims sockets for the services in its arguments ("name=addr,addr"), prints what it got,
// and answers one client on each socket. Then it closes the listeners, claims again, and answers
// another.
func serve() {
	m := Take()
	if v, ok := os.LookupEnv("LISTEN_FDS"); ok {
		fmt.Println("still in the environment: LISTEN_FDS", v)
	}
	for range 2 {
		for _, arg := range os.Args[1:] {
			name, addrs, _ := strings.Cut(arg, "=")
			claimed, rest, err := m.Claim(name, strings.FieldsFunc(addrs, func(r rune) bool { return r == ',' }))
			fmt.Printf("%s: %d claimed, rest %v, error %v\n", name, len(claimed), rest, err)
			for _, ln := range claimed {
				c, err := ln.Accept()
				if err != nil {
					fmt.Println(err)
					continue
				}
				fmt.Fprintln(c, name)
				c.Close()
				ln.Close()
			}
		}
		fmt.Println("unclaimed", m.Unclaimed())
	}
}

// activate starts this binary as systemd does: with open, named sockets, and its process id in the
// environment.
func activate(t *testing.T, names string, sockets []net.Listener, services ...string) (lines *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0]}, services...)...)
	cmd.Env = append(os.Environ(), "SYSTEMD_TEST_SERVE=1", "LISTEN_FDNAMES="+names, fmt.Sprint("LISTEN_FDS=", len(sockets)))
	for _, ln := range sockets {
		f, err := ln.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return bufio.NewScanner(out)
}

func open(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func says(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("it printed %q, want %q", lines.Text(), want)
	}
}

func visit(t *testing.T, ln net.Listener, want string) {
	t.Helper()
	c, err := net.Dial(ln.Addr().Network(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := bufio.NewReader(c).ReadString('\n'); got != want+"\n" {
		t.Errorf("%s was answered %q, %v, want %s", ln.Addr(), got, err, want)
	}
}

func TestSockets(t *testing.T) {
	tcp, named := open(t, "tcp", "127.0.0.1:0"), open(t, "tcp", "127.0.0.1:0")
	any4, unix := open(t, "tcp4", "0.0.0.0:0"), open(t, "unix", filepath.Join(t.TempDir(), "s"))
	_, port, _ := net.SplitHostPort(any4.Addr().String())
	odd := open(t, "tcp", "127.0.0.1:0")
	lines := activate(t, "tcpctl.socket:desk:tcpctl.socket:tcpctl.socket:odd", []net.Listener{tcp, named, any4, unix, odd},
		fmt.Sprintf("db=%s,127.0.0.1:1,unix:%s", tcp.Addr(), unix.Addr()), // by address; the second it must open itself
		"desk=127.0.0.1:2", // by name, whatever its address
		"any=:"+port,       // of either family
	)
	for range 2 {
		says(t, lines, "db: 2 claimed, rest [127.0.0.1:1], error <nil>")
		visit(t, tcp, "db")
		visit(t, unix, "db")
		says(t, lines, "desk: 1 claimed, rest [], error <nil>")
		visit(t, named, "desk")
		says(t, lines, "any: 1 claimed, rest [], error <nil>")
		visit(t, any4, "any")
		says(t, lines, fmt.Sprintf("unclaimed [odd at %s]", odd.Addr()))
	}
}

func TestTheUnitsAreWhatSystemdReads(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"tcpctl.service", "tcpctl.socket"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "packaging", name))
		if err != nil {
			t.Fatal(err)
		}
		// systemd-analyze requires that the program exists.
		text = []byte(strings.ReplaceAll(string(text), "/usr/bin/tcpctl", "/bin/true"))
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, paths...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTheServiceIsHardened: the unit's exposure level stays below 2.5, which systemd calls OK.
// Removing a line of the unit raises it.
func TestTheServiceIsHardened(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=25", filepath.Join("..", "..", "packaging", "tcpctl.service")).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("this systemd-analyze knows no --offline")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
