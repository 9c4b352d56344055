//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// nodes starts n instances of one mesh, each with a service over two backends, and waits until each
// sees all.
func nodes(t *testing.T, n int, secret bool) []*running {
	t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("edge-", i+1))
	}
	return nodesOf(t, secret, names...)
}

func nodesOf(t *testing.T, secret bool, names ...string) []*running {
	t.Helper()
	dir := t.TempDir()
	key := ""
	if secret {
		path := filepath.Join(dir, "secret")
		if err := os.WriteFile(path, []byte(mesh.NewSecret()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		key = fmt.Sprintf("secret_file = %q\n", path)
	}
	var addrs []string
	for range 2 {
		b := startBackend(t, "x")
		addrs = append(addrs, b.addr)
	}
	first := proxytest.FreePort(t)
	var all []*running
	for i, name := range names {
		listen := "127.0.0.1:0"
		if i == 0 {
			listen = first
		}
		text := fmt.Sprintf(`
[services.db]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = %q }, { name = "b", addr = %q }]
[mesh]
name = "lab"
node = %q
listen = %q
join = [%q]
mdns = false
%s`, addrs[0], addrs[1], name, listen, first, key)
		path := filepath.Join(dir, fmt.Sprintf("%d.toml", i))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, runInstance(t, nil, "run", "--no-ui", "-c", path))
	}
	for _, in := range all {
		in.untilPeers(len(names) - 1)
	}
	return all
}

// untilPeers waits until n peers are alive.
func (in *running) untilPeers(n int) {
	in.t.Helper()
	for began := time.Now(); ; restSince(began) {
		alive := 0
		for _, p := range in.status().Mesh.Peers {
			if p.State == meshinfo.Alive && len(p.Services) > 0 {
				alive++
			}
		}
		if alive == n {
			return
		}
		if time.Since(began) > patience {
			in.t.Fatalf("%d of %d peers alive: %+v", alive, n, in.status().Mesh)
		}
	}
}

// halts stops the process with SIGSTOP, and returns once none of its threads runs: until then it may still answer.
func (in *running) halts() {
	in.t.Helper()
	in.cmd.Process.Signal(syscall.SIGSTOP)
	var s syscall.WaitStatus
	if _, err := syscall.Wait4(in.cmd.Process.Pid, &s, syscall.WUNTRACED, nil); err != nil || !s.Stopped() {
		in.t.Fatalf("it does not stop: %v, %v", s, err)
	}
}

func TestAnActOnAllNodes(t *testing.T) {
	t.Parallel()
	all := nodes(t, 3, true)
	out := all[0].tcpctl("drain", "db/a", "--peer", "all", "--reason", "kernel patch")
	for _, node := range []string{"edge-1", "edge-2", "edge-3"} {
		if !regexp.MustCompile(node + ` +127\.0\.0\.1:\d+ +done: drain db/a`).MatchString(out) {
			t.Errorf("%s did not answer:\n%s", node, out)
		}
	}
	for i, in := range all {
		if b := in.status().Backend("db/a"); b.Admin != proxy.AdminDrain {
			t.Errorf("on edge-%d the backend is %s", i+1, b.Admin)
		}
	}
	// Repeating the act is safe.
	if out := all[1].tcpctl("drain", "db/a", "--peer", "all"); strings.Count(out, "done: ") != 3 || strings.Count(out, "already") != 3 {
		t.Errorf("repeated:\n%s", out)
	}
	if out := all[2].tcpctl("status", "--peer", "edge-2"); !strings.Contains(out, "drained") {
		t.Errorf("edge-2 seen from edge-3:\n%s", out)
	}
	// Other nodes learn who acted.
	for began := time.Now(); !strings.Contains(all[1].tcpctl("events"), "on edge-1: drain db/a"); restSince(began) {
		if time.Since(began) > patience {
			t.Fatalf("timeout waiting for the event on edge-2:\n%s", all[1].tcpctl("events"))
		}
	}

	// If a node hangs, the outcome of the act there is unknown.
	all[2].halts()
	out, status := all[0].try("ready", "db/a", "--peer", "all")
	all[2].cmd.Process.Signal(syscall.SIGCONT)
	if status != exitFailed || !regexp.MustCompile(`edge-3 +127\S+ +unknown: sent, but not answered`).MatchString(out) || !strings.Contains(out, "done: ready db/a") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if out, status := all[0].try("status", "--peer", "edge-9"); status != exitFailed || !strings.Contains(out, "unreachable") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestWithoutASecretNobodyActs(t *testing.T) {
	t.Parallel()
	all := nodes(t, 2, false)
	out, status := all[0].try("drain", "db/a", "--peer", "edge-2")
	if status != exitFailed || !strings.Contains(out, "secret") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if out := all[0].tcpctl("peers"); !strings.Contains(out, "edge-2") || !strings.Contains(out, "+ alive") {
		t.Errorf("names and states are not shown as expected:\n%s", out)
	}
}

// TestMeshJoinIsTcpnetsDemo: a line typed on one node is printed on another.
func TestMeshJoinIsTcpnetsDemo(t *testing.T) {
	t.Parallel()
	addr := proxytest.FreePort(t)
	join := func(node, listen string, more ...string) (io.WriteCloser, *bufio.Reader) {
		ctx, cancel := context.WithCancel(context.Background())
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, "tcpctl", append([]string{"mesh", "join", "chat", "--mdns=false", "--node", node, "--listen", listen}, more...)...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Signal(os.Interrupt)
			cmd.Wait()
		})
		return in, bufio.NewReader(out)
	}
	_, heard := join("first", addr)
	typed, _ := join("second", "127.0.0.1:0", "--join", addr)
	lines := make(chan string, 1)
	go func() {
		line, _ := heard.ReadString('\n')
		lines <- line
	}()
	for began := time.Now(); ; {
		fmt.Fprintln(typed, "hello") // until they are connected
		select {
		case line := <-lines:
			if line != "second: hello\n" {
				t.Errorf("heard %q", line)
			}
			return
		case <-time.After(100 * time.Millisecond):
			if time.Since(began) > patience {
				t.Fatal("timeout waiting for the second node's line")
			}
		}
	}
}

// TestAJoinAddressThatNobodyAnswersIsAnEvent, once only.
func TestAJoinAddressThatNobodyAnswersIsAnEvent(t *testing.T) {
	t.Parallel()
	unused := proxytest.FreePort(t)
	in := runInstance(t, nil, "run", "--no-ui", "-c", meshFile(t, "edge-1", fmt.Sprintf("join = [%q]", unused)))
	for began := time.Now(); !strings.Contains(in.tcpctl("events"), "no node has answered at the join address "+unused); restSince(began) {
		if time.Since(began) > patience {
			t.Fatalf("events:\n%s", in.tcpctl("events"))
		}
	}
	time.Sleep(3 * time.Second) // the address is dialled again meanwhile
	if out := in.tcpctl("events"); strings.Count(out, "no node has answered") != 1 {
		t.Errorf("events:\n%s", out)
	}
}

// meshFile writes a configuration with only a mesh.
func meshFile(t *testing.T, node, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tcpctl.toml")
	write(t, path, fmt.Sprintf(`[mesh]
name = "lab"
node = %q
listen = "127.0.0.1:0"
mdns = false
%s
[services.db]
listen = "127.0.0.1:0"
backends = ["127.0.0.1:1"]
`, node, more))
	return path
}

// TestAReloadTellsOfOtherSecrets, which come into force at the next start only: who rotates them must not believe that they have.
func TestAReloadTellsOfOtherSecrets(t *testing.T) {
	t.Parallel()
	secrets := filepath.Join(t.TempDir(), "secrets")
	write(t, secrets, mesh.NewSecret()+"\n")
	in := runInstance(t, nil, "run", "--no-ui", "-c", meshFile(t, "edge-1", fmt.Sprintf("secret_file = %q", secrets)))
	if out := in.tcpctl("reload"); out != "nothing has changed\n" {
		t.Errorf("said %q", out)
	}
	write(t, secrets, mesh.NewSecret()+"\n")
	if out := in.tcpctl("reload"); out != "mesh.secret_file has other secrets (at the next start)\n" {
		t.Errorf("said %q", out)
	}
}

// TestANodeIsTheSameAfterARestart, and two concurrent processes of one configuration are two nodes.
func TestANodeIsTheSameAfterARestart(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	path := meshFile(t, "edge-1", "")
	id := func(in *running) string { return in.status().Mesh.ID }
	first := runInstance(t, nil, "run", "--no-ui", "-c", path)
	one := id(first)
	second := runInstance(t, nil, "run", "--no-ui", "-c", path)
	if id(second) == one {
		t.Fatal("two processes are one node")
	}
	first.end()
	again := runInstance(t, nil, "run", "--no-ui", "-c", path)
	if id(again) != one {
		t.Errorf("it was %s, and is %s", one, id(again))
	}
	files, err := filepath.Glob(filepath.Join(state, "mesh", "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
	for _, f := range append(files, filepath.Dir(files[0])) {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
}

func TestAPeerWhoseRecordCannotBeRead(t *testing.T) {
	p := api.Peer{Peer: meshinfo.Peer{Name: "edge-2", State: meshinfo.Alive}, Unreadable: "its record has version 2, this program reads 1"}
	row := peerRow(&api.Status{}, &p)
	if row[4] != "?" || row[5] != "?" || row[9] != p.Unreadable {
		t.Errorf("%q", row)
	}
}
