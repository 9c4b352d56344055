package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// load is clients that connect again and again, each for a moment.
type load struct {
	t       *testing.T
	addr    string
	stop    chan struct{}
	wg      sync.WaitGroup
	begun   []atomic.Int64 // visits, by client
	served  atomic.Int64
	refused atomic.Int64
	lost    atomic.Int64 // sessions that ended unexpectedly
}

func newLoad(t *testing.T, addr string, clients int) *load {
	l := &load{t: t, addr: addr, stop: make(chan struct{}), begun: make([]atomic.Int64, clients)}
	for n := range clients {
		l.wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-l.stop:
					return
				case <-time.After(pace):
				}
				l.begun[n].Add(1)
				l.one(fmt.Sprintf("%d of %d", i, n))
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) one(text string) {
	c, err := dial(l.addr)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			l.refused.Add(1)
		} else {
			l.lost.Add(1)
		}
		return
	}
	defer c.Close()
	c.says(text)
	if c.hears("a: "+text) != nil {
		l.lost.Add(1)
		return
	}
	l.served.Add(1)
}

// more waits until more sessions were served than there are clients.
func (l *load) more() {
	l.t.Helper()
	before := l.served.Load()
	for began := time.Now(); l.served.Load() < before+20; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			l.t.Fatal("no client is served")
		}
	}
}

// anew waits until each client has begun another visit, so that earlier ones are counted.
func (l *load) anew() {
	l.t.Helper()
	for n := range l.begun {
		before := l.begun[n].Load()
		waitUntil(l.t, "a client comes again", func() bool { return l.begun[n].Load() > before })
	}
}

func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.wg.Wait()
}

// upgradable is an instance whose binary can be replaced.
type upgradable struct {
	*running
	real, path string
	a          *backend
}

func runInstalled(t *testing.T, env []string, args ...string) *upgradable {
	t.Helper()
	a := startBackend(t, "a")
	dir := t.TempDir()
	real, err := exec.LookPath("tcpctl")
	if err != nil {
		t.Fatal(err)
	}
	in := &upgradable{real: real, path: filepath.Join(dir, "tcpctl"), a: a}
	if err := os.Symlink(in.real, in.path); err != nil {
		t.Fatal(err)
	}
	prefix := append(append([]string{"env"}, env...), "PATH="+dir+":"+os.Getenv("PATH"))
	if args == nil {
		args = []string{"proxy", "--no-ui", "--listen", "127.0.0.1:0", "--backend", a.addr + ",name=a", "--grace", "1s"}
	}
	in.running = runInstance(t, prefix, args...)
	t.Cleanup(func() { // it may no longer be the test's child
		if st, err := control.Dial(in.socket).Status(context.Background()); err == nil && st.Node.PID != in.cmd.Process.Pid {
			in.try("stop", "--grace", "1ms")
		}
	})
	return in
}

// replace replaces the binary by a script, for which $REAL is the binary.
func (in *upgradable) replace(script string) {
	in.t.Helper()
	os.Remove(in.path)
	writeProgram(in.t, in.path, "#!/bin/sh\nREAL="+in.real+"\n"+script+"\n")
}

// talks opens a session that stays open.
func (in *running) talks() *client {
	in.t.Helper()
	c := mustDial(in.t, in.addr())
	in.t.Cleanup(func() { c.Close() })
	in.lives(c)
	return c
}

func (in *running) lives(c *client) {
	in.t.Helper()
	c.says("still here")
	if err := c.hears("a: still here"); err != nil {
		in.t.Error(err)
	}
}

// untilLog waits for a text in the instance's log.
func (in *running) untilLog(text string) {
	in.t.Helper()
	untilFile(in.t, in.logFile, text)
}

// free waits until no process listens on addr.
func free(t *testing.T, addr string) {
	t.Helper()
	for began := time.Now(); ; restSince(began) {
		c, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			c.Close()
		}
		if time.Since(began) > patience {
			t.Fatal("a process still listens")
		}
	}
}

// TestKilledInAnUpgrade kills either process in each phase of an upgrade, under load: no client is
// refused, the other process serves, and only the sessions of the killed one are lost.
func TestKilledInAnUpgrade(t *testing.T) {
	t.Parallel()
	for _, fate := range []string{"old offered", "old ready", "old go", "old accepting", "old settled", "old released",
		"new offered", "new ready", "new go", "new accepting"} {
		t.Run(fate, func(t *testing.T) {
			t.Parallel()
			in := runInstalled(t, []string{upgradeFate + "=" + fate + " die"})
			old := in.cmd.Process.Pid
			idle := in.talks()
			l := newLoad(t, in.addr(), 4)
			l.more()
			before := in.service().Sessions.Total
			in.try("upgrade")
			if strings.HasPrefix(fate, "old") {
				in.follow(old)
				if _, err := idle.sees(); err != nil {
					t.Error(err)
				}
				in.cmd.Wait()
			} else {
				want := "upgrade refused: upgrade: the new process has ended"
				if fate == "new accepting" {
					want = "ended soon after it had taken over"
				}
				in.untilLog(want)
				in.lives(idle)
				if fate != "new accepting" && l.lost.Load() > 0 {
					t.Errorf("%d sessions are lost", l.lost.Load())
				}
				if pid := in.status().Node.PID; pid != old {
					t.Errorf("process %d answers", pid)
				}
			}
			l.anew()
			lost := l.lost.Load()
			l.more()
			l.end()
			if l.refused.Load() > 0 || l.lost.Load() > lost {
				t.Errorf("%d refused; %d lost, %d of them later", l.refused.Load(), l.lost.Load(), l.lost.Load()-lost)
			}
			if now := in.service().Sessions.Total; now < before {
				t.Errorf("%d sessions, and %d before", now, before)
			}
		})
	}
}

// TestANewOneThatStandsStill: if the new process hangs in any phase of an upgrade, the old one
// answers meanwhile, and can be stopped.
func TestANewOneThatStandsStill(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"offered", "ready", "go", "accepting"} {
		t.Run(at, func(t *testing.T) {
			dir := t.TempDir()
			path, access := filepath.Join(dir, "tcpctl.toml"), filepath.Join(dir, "access")
			a := startBackend(t, "a")
			write(t, path, fmt.Sprintf("[log]\naccess = %q\n[limits]\nshutdown_grace = \"1s\"\n[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{name = \"a\", addr = %q}]\n", access, a.addr))
			in := runInstalled(t, []string{upgradeFate + "=new " + at + " halt"}, "run", "--no-ui", "-c", path)
			pid, addr := in.cmd.Process.Pid, in.addr()
			idle := in.talks()
			said := make(chan string, 1)
			go func() {
				out, _ := in.try("upgrade")
				said <- out
			}()
			next := in.child(pid)
			defer syscall.Kill(next, syscall.SIGKILL)
			untilStopped(t, next)
			in.lives(idle)
			if at != "accepting" { // then the new process should answer
				if st := in.status(); st.Node.PID != pid {
					t.Errorf("process %d answers", st.Node.PID)
				}
			}
			sendSignal(pid, syscall.SIGHUP)
			in.untilLog("reload refused: ")
			os.Rename(access, access+".1")
			sendSignal(pid, syscall.SIGUSR1)
			untilFile(t, access, "")
			sendSignal(pid, syscall.SIGTERM)
			if err := in.cmd.Wait(); err != nil {
				t.Error(err)
			}
			<-said
			if at != "accepting" {
				free(t, addr)
			}
		})
	}
}

// child returns the process that an upgrade has started: a child that leads a process group.
func (in *running) child(of int) (pid int) {
	in.t.Helper()
	tasks := fmt.Sprintf("/proc/%d/task", of)
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		all, _ := os.ReadDir(tasks)
		for _, task := range all {
			text, _ := os.ReadFile(filepath.Join(tasks, task.Name(), "children"))
			for _, word := range strings.Fields(string(text)) {
				pid, _ := strconv.Atoi(word)
				if group, err := syscall.Getpgid(pid); err == nil && group == pid {
					return pid
				}
			}
		}
	}
	in.t.Fatal("it has started no process")
	return 0
}

func untilStopped(t *testing.T, pid int) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if _, state, ok := strings.Cut(string(text), ") "); ok && state[0] == 'T' {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("process %d does not stop: %s, %v", pid, text, err)
		}
	}
}

// TestAFailingBinary: if the new binary is a script that fails, its child is killed, and holds no
// sockets.
func TestAFailingBinary(t *testing.T) {
	t.Parallel()
	in := runInstalled(t, nil)
	pidFile := filepath.Join(t.TempDir(), "pid")
	in.replace("sleep 1000 & echo $! >" + pidFile + "; exit 1")
	if out, status := in.try("upgrade"); status != 1 || !strings.Contains(out, "has ended before it was ready") || !strings.Contains(out, "serves on") {
		t.Errorf("status %d: %s", status, out)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); alive(strings.TrimSpace(string(text))); restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("its child is still alive")
		}
	}
	in.lives(in.talks())
	// A later upgrade to a script that starts the binary succeeds.
	in.replace(`"$REAL" "$@"; exit`)
	out := in.tcpctl("upgrade")
	if pid := in.follow(in.cmd.Process.Pid); !strings.HasPrefix(out, fmt.Sprintf("process %d takes over", pid)) {
		t.Errorf("%d: %s", pid, out)
	}
	addr := in.addr()
	in.ends()
	free(t, addr)
}

func alive(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	_, state, _ := strings.Cut(string(text), ") ")
	return err == nil && state[0] != 'Z'
}

// TestGenerations: with three processes that have a session each, all sessions are shown, counted,
// drained and kicked.
func TestGenerations(t *testing.T) {
	t.Parallel()
	in := runInstalled(t, nil)
	pids := []int{in.cmd.Process.Pid}
	clients := []*client{in.talks()}
	for range 3 {
		in.tcpctl("upgrade")
		pids = append(pids, in.follow(pids[len(pids)-1]))
		clients = append(clients, in.talks())
	}
	st := in.status()
	db := &st.Services[0]
	if len(st.Predecessors) != 3 || db.Sessions.Active != 4 || db.Backends[0].Active != 4 || db.Sessions.Total != 4 || db.Backends[0].Total != 4 {
		t.Errorf("%+v, %+v, %+v", st.Predecessors, db.Sessions, db.Backends)
	}
	for i, p := range st.Predecessors {
		if p.PID != pids[i] || p.Active != 1 {
			t.Errorf("%d: %+v", pids[i], p)
		}
	}
	if out := in.tcpctl("status"); !strings.Contains(out, fmt.Sprintf("process %d", pids[0])) {
		t.Errorf("it is not in the status:\n%s", out)
	}
	var sessions []proxy.SessionInfo
	waitUntil(t, "four sessions, whose bytes are counted", func() (ok bool) {
		sessions, _ = in.Sessions(context.Background(), api.SessionQuery{})
		return len(sessions) == 4 && !slices.ContainsFunc(sessions, func(s proxy.SessionInfo) bool { return s.BytesIn == 0 })
	})
	ids := map[string]bool{}
	for i, s := range sessions {
		ids[s.ID] = true
		want := pids[i]
		if i == 3 {
			want = 0
		}
		if s.PID != want || s.BytesIn != int64(len("still here\n")) {
			t.Errorf("%d: %+v", i, s)
		}
	}
	if len(ids) != 4 {
		t.Errorf("they share ids: %v", ids)
	}
	if out := in.tcpctl("kick", sessions[1].ID); !strings.HasPrefix(out, "kicked 1 session: "+sessions[1].ID+" ") {
		t.Error(out)
	}
	if end, err := clients[1].sees(); end != "reset" {
		t.Errorf("%s, %v", end, err)
	}
	in.until("it has ended, and its process", func(*proxy.ServiceInfo) bool { return len(in.status().Predecessors) == 2 })
	for _, n := range []int{0, 2, 3} {
		in.lives(clients[n])
	}
	// The others are cut by a drain at its limit, whichever process has them.
	in.tcpctl("drain", "--force", "--limit", "100ms", "--then", "cut", "proxy/a")
	for _, n := range []int{0, 2, 3} {
		if end, err := clients[n].sees(); end != "reset" {
			t.Errorf("%d: %s, %v", n, end, err)
		}
	}
	in.until("all have ended", func(s *proxy.ServiceInfo) bool { return s.Sessions.Active == 0 && len(in.status().Predecessors) == 0 })
	db = in.service()
	ended := int64(0)
	for _, e := range db.Endings {
		ended += e.Count
	}
	if db.Sessions.Total != 4 || db.Sessions.Cut != 4 || ended != 4 || db.BytesIn != 7*int64(len("still here\n")) {
		t.Errorf("%+v, %+v, %d bytes", db.Sessions, db.Endings, db.BytesIn)
	}
	in.ends()
}

// TestStopEndsAllGenerations: a stop ends all processes.
func TestStopEndsAllGenerations(t *testing.T) {
	t.Parallel()
	in := runInstalled(t, nil)
	pids := []int{in.cmd.Process.Pid}
	clients := []*client{in.talks()}
	for range 2 {
		in.tcpctl("upgrade")
		pids = append(pids, in.follow(pids[len(pids)-1]))
		clients = append(clients, in.talks())
	}
	in.ends()
	for _, c := range clients {
		if end, err := c.sees(); end != "reset" {
			t.Errorf("%s, %v", end, err)
		}
	}
	in.cmd.Wait() // otherwise it stays a zombie
	for _, pid := range pids {
		for began := time.Now(); alive(fmt.Sprint(pid)); restSince(began) {
			if time.Since(began) > patience {
				t.Fatalf("process %d is still alive", pid)
			}
		}
	}
}

// TestGenerationsOutliveTheNewest: sessions of an earlier process do not end with the process that
// took over.
func TestGenerationsOutliveTheNewest(t *testing.T) {
	t.Parallel()
	in := runInstalled(t, nil)
	one := in.talks()
	in.tcpctl("upgrade")
	two := in.follow(in.cmd.Process.Pid)
	other := in.talks()
	in.tcpctl("upgrade")
	three := in.follow(two)
	in.until("all is its own", func(*proxy.ServiceInfo) bool {
		return strings.Contains(in.log(), fmt.Sprintf(`msg="another process has taken over" pid=%d`, three))
	})
	syscall.Kill(two, syscall.SIGKILL)
	if _, err := other.sees(); err != nil {
		t.Error(err)
	}
	in.until("its sessions have gone with it", func(s *proxy.ServiceInfo) bool { return s.Sessions.Active == 1 })
	if total := in.service().Sessions.Total; total != 2 {
		t.Errorf("%d sessions in all", total)
	}
	in.lives(one)
	syscall.Kill(three, syscall.SIGKILL)
	in.lives(one)
	one.CloseWrite()
	if end, err := one.sees(); end != "fin" {
		t.Errorf("%s, %v", end, err)
	}
	if err := in.cmd.Wait(); err != nil { // it ends by itself
		t.Error(err)
	}
}

// TestActsInAnUpgrade: acts whose effect an upgrade would lose are refused during it, and earlier
// ones stay in force.
func TestActsInAnUpgrade(t *testing.T) {
	t.Parallel()
	in := runInstalled(t, nil)
	gate := filepath.Join(t.TempDir(), "gate")
	in.replace(`until test -e ` + gate + `; do sleep 0.01; done; exec "$REAL" "$@"`)
	said := make(chan string, 1)
	go func() {
		out, _ := in.try("upgrade")
		said <- out
	}()
	in.child(in.cmd.Process.Pid)
	for _, act := range [][]string{{"close", "proxy", "--force"}, {"upgrade"}} {
		if out, status := in.try(act...); status != 1 || !strings.Contains(out, "an upgrade is under way") {
			t.Errorf("%s: status %d: %s", act[0], status, out)
		}
	}
	in.tcpctl("weight", "proxy/a", "7")
	write(t, gate, "")
	if out := <-said; !strings.Contains(out, "takes over") {
		t.Fatal(out)
	}
	in.follow(in.cmd.Process.Pid)
	if b := in.service().Backends[0]; b.Weight != 7 {
		t.Errorf("%+v", b)
	}
	in.ends()
}

// TestAPauseEndsAnUpgrade under way: the new process does not take over.
func TestAPauseEndsAnUpgrade(t *testing.T) {
	t.Parallel()
	in := runInstalled(t, nil)
	gate := filepath.Join(t.TempDir(), "gate")
	in.replace(`until test -e ` + gate + `; do sleep 0.01; done; exec "$REAL" "$@"`)
	said := make(chan string, 1)
	pid := in.cmd.Process.Pid
	go func() {
		out, _ := in.try("upgrade")
		said <- out
	}()
	in.child(pid)
	in.tcpctl("pause", "proxy")
	write(t, gate, "")
	if out := <-said; !strings.Contains(out, "is paused by") || !strings.Contains(out, "serves on") {
		t.Error(out)
	}
	if now := in.status().Node.PID; now != pid {
		t.Errorf("process %d answers", now)
	}
	in.tcpctl("resume", "proxy")
	in.lives(in.talks())
	in.ends()
}

// TestUpgradesAndSystemd: the new process becomes the main one only once it has everything, and not
// in a failed upgrade.
func TestUpgradesAndSystemd(t *testing.T) {
	t.Parallel()
	for _, fate := range []string{"new accepting die", "none"} {
		t.Run(fate, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "tcpctl")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			name := filepath.Join(dir, "notify")
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			in := runInstalled(t, []string{upgradeFate + "=" + fate, "NOTIFY_SOCKET=" + name})
			old := in.cmd.Process.Pid
			main, buf := 0, make([]byte, 4096)
			hear := func() string {
				t.Helper()
				manager.SetReadDeadline(time.Now().Add(patience))
				n, err := manager.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(string(buf[:n])) {
					if pid, ok := strings.CutPrefix(strings.TrimSpace(line), "MAINPID="); ok {
						main, _ = strconv.Atoi(pid)
					}
				}
				return string(buf[:n])
			}
			if hear(); main != old {
				t.Fatalf("main process %d, not %d", main, old)
			}
			out, _ := in.try("upgrade")
			if fate == "none" {
				next := in.follow(old)
				if said := hear(); main != next || strings.Contains(said, "READY=1") {
					t.Errorf("the old process notified %q of %d", said, next)
				}
				if said := hear(); main != next || !strings.Contains(said, "READY=1") {
					t.Errorf("the new process notified %q", said)
				}
			} else {
				in.untilLog("ended soon after it had taken over")
			}
			in.ends()
			for said := hear(); !strings.Contains(said, "STOPPING=1"); said = hear() {
				t.Errorf("%s: it said %q", out, said)
			}
		})
	}
}

// TestUpgradesInAMesh: for its peers, the node is the same after an upgrade, and after a failed
// one.
func TestUpgradesInAMesh(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write(t, secret, strings.Repeat("s", 32)+"\n")
	a := startBackend(t, "a")
	port := proxytest.FreePort(t)
	conf := func(node, listen, join string) string {
		path := filepath.Join(dir, node+".toml")
		write(t, path, fmt.Sprintf(`[services.db]
listen = "127.0.0.1:0"
backends = [{name = "a", addr = %q}]
[mesh]
name = "m"
node = %q
listen = %q
join = [%s]
mdns = false
secret_file = %q
`, a.addr, node, listen, join, secret))
		return path
	}
	state := "STATE_DIRECTORY=" + dir
	other := runInstance(t, []string{"env", state}, "run", "--no-ui", "-c", conf("other", "127.0.0.1:0", strconv.Quote(port)))
	one := runInstalled(t, []string{state}, "run", "--no-ui", "-c", conf("one", port, ""))
	peer := func() (id, state string) {
		m := other.status().Mesh
		if len(m.Peers) > 1 {
			t.Errorf("peers %+v", m.Peers)
		}
		if len(m.Peers) == 0 {
			return "", ""
		}
		return m.Peers[0].ID, string(m.Peers[0].State)
	}
	sees := func() (id string) {
		t.Helper()
		other.until("it sees the other", func(*proxy.ServiceInfo) bool {
			var state string
			id, state = peer()
			return state == "alive"
		})
		return id
	}
	before := sees()
	one.replace("exit 1")
	one.try("upgrade")
	if id, state := peer(); id != before || state != "alive" {
		t.Errorf("after one that failed: %s is %s", id, state)
	}
	one.replace(`exec "$REAL" "$@"`)
	one.tcpctl("upgrade")
	pid := one.follow(one.cmd.Process.Pid)
	other.until("the new one answers through the mesh", func(*proxy.ServiceInfo) bool {
		out, _ := other.try("status", "--peer", "one", "--json")
		var st api.Status
		return json.Unmarshal([]byte(out), &st) == nil && st.Node.PID == pid
	})
	if id := sees(); id != before {
		t.Errorf("it is another node: %s, not %s", id, before)
	}
	one.ends()
}

// TestARestartWaitsForAllGenerations, and cuts the remaining sessions at its limit, whichever
// process has them.
func TestARestartWaitsForAllGenerations(t *testing.T) {
	t.Parallel()
	a := startBackend(t, "a")
	path := filepath.Join(t.TempDir(), "tcpctl.toml")
	write(t, path, fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{name = \"a\", addr = %q, restart = [\"true\"]}]\n", a.addr))
	in := runInstalled(t, nil, "run", "--no-ui", "-c", path)
	one := in.talks()
	in.tcpctl("upgrade")
	in.follow(in.cmd.Process.Pid)
	two := in.talks()
	out := in.tcpctl("restart", "db/a", "--limit", "200ms", "--then", "cut", "--force")
	for n, c := range []*client{one, two} {
		if end, err := c.sees(); end != "reset" {
			t.Errorf("%d: %s, %v", n, end, err)
		}
	}
	if !strings.Contains(out, "cut 2") {
		t.Errorf("its report says\n%s", out)
	}
	in.lives(in.talks())
	in.ends()
}
