//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// example returns an example file, with the test's addresses in place of its own.
func example(t *testing.T, name string, replace ...string) string {
	t.Helper()
	text := readFile(t, "examples/"+name)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%s has no %q", name, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	return text
}

// runProgram returns the output of a program that must succeed.
func runProgram(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestEachExampleIsTested: the table of the examples lists exactly the files.
func TestEachExampleIsTested(t *testing.T) {
	files, err := filepath.Glob("examples/*.toml")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	table, tests := readFile(t, "examples/README.md"), readFile(t, "example_files_test.go")
	for _, f := range files {
		name := filepath.Base(f)
		if !strings.Contains(table, "["+name+"]("+name+")") {
			t.Errorf("the table does not have %s", name)
		}
		if !strings.Contains(tests, strconv.Quote(name)) {
			t.Errorf("no test runs %s", name)
		}
	}
}

// TestExamplePostgreSQL: writes follow the primary, reads use any backend that is up.
func TestExamplePostgreSQL(t *testing.T) {
	t.Parallel()
	one := newPostgres(t)
	two := one.standby(t)
	in := runConfigured(t, example(t, "postgresql.toml", "127.0.0.1:5432", "127.0.0.1:0", "127.0.0.1:5433", "127.0.0.1:0",
		"10.0.0.11:5432", one.addr, "10.0.0.12:5432", two.addr, `"2s"`, `"200ms"`))
	st := in.status()
	ask := func(service int, query string) (string, error) {
		_, port, _ := net.SplitHostPort(st.Services[service].Listen[0])
		out, err := exec.Command("psql", "-XAtq", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-c", query, "postgres").CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	const write, read = 0, 1
	if names := [2]string{st.Services[write].Name, st.Services[read].Name}; names != [2]string{"read", "write"} && names != [2]string{"write", "read"} {
		t.Fatal(names)
	} else if names[0] == "read" {
		st.Services[0], st.Services[1] = st.Services[1], st.Services[0]
	}
	if out, err := ask(write, "create table t (n int); insert into t values (1); select pg_is_in_recovery()"); out != "f" || err != nil {
		t.Errorf("a client that writes is told %q, %v", out, err)
	}
	if out, err := ask(read, "select 1"); out != "1" || err != nil {
		t.Errorf("a client that reads is told %q, %v", out, err)
	}
	one.run(t, one.ctl("stop"))
	two.run(t, two.ctl("promote"))
	for began := time.Now(); ; restSince(began) {
		out, err := ask(write, "insert into t values (2); select count(*) from t")
		if err == nil && out >= "2" {
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("writes do not follow: %q, %v\n%s", out, err, in.tcpctl("status"))
		}
	}
	one.run(t, one.ctl("start")) // stopped at the test's end
}

// standby starts a replica of this server.
func (p *postgres) standby(t *testing.T) *postgres {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &postgres{bin: p.bin, dir: dir, addr: proxytest.FreePort(t)}
	if len(p.as) > 0 {
		s.as = append(append([]string{}, p.as[:len(p.as)-1]...), dir)
		runProgram(t, "chown", "--reference", p.dir, dir)
	}
	_, port, _ := net.SplitHostPort(p.addr)
	s.run(t, append(s.as[:len(s.as):len(s.as)], filepath.Join(p.bin, "pg_basebackup"), "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-N", "-D", dir+"/data"))
	s.run(t, s.ctl("start"))
	t.Cleanup(func() { s.run(t, s.ctl("stop")) })
	return s
}

// TestExampleMySQL: the second serves while the first is down.
func TestExampleMySQL(t *testing.T) {
	t.Parallel()
	needs(t, "mariadbd", "mariadb-install-db", "mysql")
	one, two := proxytest.FreePort(t), proxytest.FreePort(t)
	run := func(addr, dir string) (end func()) {
		_, port, _ := net.SplitHostPort(addr)
		cmd := exec.Command("mariadbd", "--no-defaults", "--user=root", "--datadir="+dir, "--socket="+dir+"/s", "--pid-file="+dir+"/pid",
			"--port="+port, "--bind-address=127.0.0.1", "--skip-grant-tables", "--skip-networking=0", "--innodb-buffer-pool-size=8M")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		end = func() { cmd.Process.Kill(); cmd.Wait() }
		t.Cleanup(end)
		return end
	}
	dir := func() string {
		d, err := os.MkdirTemp("", "my")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(d) })
		runProgram(t, "mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+d, "--skip-test-db")
		return d
	}
	first := dir()
	end := run(one, first)
	run(two, dir())
	in := runConfigured(t, example(t, "mysql.toml", "127.0.0.1:3306", "127.0.0.1:0", "10.0.0.21:3306", one, "10.0.0.22:3306", two, `"2s"`, `"200ms"`))
	untilServedBy := func(addr string) {
		t.Helper()
		_, want, _ := net.SplitHostPort(addr)
		_, port, _ := net.SplitHostPort(in.addr())
		for began := time.Now(); ; restSince(began) {
			out, err := exec.Command("mysql", "--no-defaults", "-h", "127.0.0.1", "-P", port, "-N", "-B", "-e", "select @@port").CombinedOutput()
			if got := strings.TrimSpace(string(out)); err == nil && got == want {
				return
			} else if time.Since(began) > patience {
				t.Fatalf("clients reach %q (%v), not %s\n%s", got, err, want, in.tcpctl("status"))
			}
		}
	}
	untilServedBy(one)
	end()
	untilServedBy(two)
	run(one, first)
	untilServedBy(one)
}

// TestExampleRedis: Redis restarts while a client waits.
func TestExampleRedis(t *testing.T) {
	t.Parallel()
	needs(t, "redis-server")
	addr, _ := startRedis(t)
	done := filepath.Join(t.TempDir(), "restarted")
	in := runConfigured(t, example(t, "redis.toml", "127.0.0.1:6379", "127.0.0.1:0", "10.0.0.31:6379", addr, `"systemctl", "restart", "redis"`, `"touch", "`+done+`"`))
	for _, act := range [][]string{{"window", "cache", "--", "true"}, {"restart", "cache/redis"}} {
		if out, status := runTcpctl(t, append([]string{"--socket", in.socket}, act...)...); status != 0 {
			t.Errorf("%v: status %d\n%s", act, status, out)
		}
		if err := ping(in.addr()); err != nil {
			t.Errorf("after %v: %v", act, err)
		}
	}
	if _, err := os.Stat(done); err != nil {
		t.Error("its restart command has not run")
	}
}

// TestExampleLibreOffice: the program is restarted between two clients.
func TestExampleLibreOffice(t *testing.T) {
	t.Parallel()
	needs(t, "socat")
	_, port, _ := net.SplitHostPort(proxytest.FreePort(t))
	bin := t.TempDir()
	// A stub that does what the command line asks for: it listens, and writes its process id to a file.
	stub := "#!/bin/sh\necho x >>" + bin + "/starts\necho $$ >${3#*=}\nexec socat TCP-LISTEN:" + port + ",bind=127.0.0.1,fork,reuseaddr EXEC:" + bin + "/answer\n"
	for name, text := range map[string]string{"soffice": stub, "answer": "#!/bin/sh\nexec sed -u 's/^/a: /'\n"} {
		writeProgram(t, filepath.Join(bin, name), text)
	}
	pid := bin + "/soffice-" + port + ".pid"
	runProgram(t, "sh", "-c", bin+"/soffice --headless --norestore --pidfile="+pid+" >/dev/null 2>&1 &")
	t.Cleanup(func() { exec.Command("sh", "-c", "kill $(cat "+pid+")").Run() })
	waitUntil(t, "it listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	path := filepath.Join(bin, "tcpctl.toml")
	write(t, path, example(t, "libreoffice.toml", "127.0.0.1:9000", "127.0.0.1:0", "8100", port, "every = 20", "every = 2", "/tmp/", bin+"/"))
	in := runInstance(t, []string{"env", "PATH=" + bin + ":" + os.Getenv("PATH")}, "run", "-c", path, "--no-ui")
	for n := range 4 {
		if err := oneVisit(in.addr(), ""); err != nil {
			t.Errorf("client %d: %v", n+1, err)
		}
	}
	if starts := strings.Count(readFile(t, bin+"/starts"), "x"); starts < 2 {
		t.Errorf("it was started %d times for 4 clients", starts)
	}
}

// TestExampleSSH: a bastion passes SSH on, to the same host each time, and limits the connections
// per address.
func TestExampleSSH(t *testing.T) {
	t.Parallel()
	needs(t, "sshd", "ssh-keygen", "ssh-keyscan")
	os.MkdirAll("/run/sshd", 0o755) // needed by root's sshd only
	var addrs []string
	for range 2 {
		dir, addr := t.TempDir(), proxytest.FreePort(t)
		runProgram(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir+"/key")
		_, port, _ := net.SplitHostPort(addr)
		sshd, _ := exec.LookPath("sshd")
		startProgram(t, addr, sshd, "-D", "-e", "-f", "/dev/null", "-p", port, "-h", dir+"/key", "-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none", "-o", "UsePAM=no")
		addrs = append(addrs, addr)
	}
	in := runConfigured(t, example(t, "ssh-bastion.toml", "0.0.0.0:2200", "127.0.0.1:0", "10.0.0.41:22", addrs[0], "10.0.0.42:22", addrs[1]))
	_, port, _ := net.SplitHostPort(in.addr())
	scan := func() string {
		return runProgram(t, "sh", "-c", "ssh-keyscan -t ed25519 -p "+port+" 127.0.0.1 2>/dev/null")
	}
	if one, two := scan(), scan(); one == "" || one != two {
		t.Errorf("the host keys are %q and %q", one, two)
	}
	in.until("nothing is open", func(s *proxy.ServiceInfo) bool { return s.Sessions.Active == 0 })
	for n := range 4 {
		hello := make([]byte, 8)
		c, err := net.Dial("tcp", in.addr())
		if err == nil {
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			_, err = io.ReadFull(c, hello)
		}
		if served := err == nil && string(hello) == "SSH-2.0-"; served != (n < 3) {
			t.Errorf("connection %d of the address: %q, %v", n+1, hello, err)
		}
	}
}

// TestExampleMQTT: one broker, by TCP and by WebSocket.
func TestExampleMQTT(t *testing.T) {
	t.Parallel()
	needs(t, "mosquitto")
	broker := proxytest.FreePort(t)
	_, port, _ := net.SplitHostPort(broker)
	startProgram(t, broker, "mosquitto", "-p", port)
	in := runConfigured(t, example(t, "mqtt-websocket.toml", "127.0.0.1:1883", "127.0.0.1:0", "127.0.0.1:8083", "127.0.0.1:0", "10.0.0.51:1883", broker))
	// CONNECT of MQTT 3.1.1 by client "t", and the answer of a broker that accepts it.
	const connect, accepted = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01t", "\x20\x02\x00\x00"
	for _, s := range in.status().Services {
		var c net.Conn
		if s.Name == "mqtt" {
			plain, err := net.Dial("tcp", s.Listen[0])
			if err != nil {
				t.Fatal(err)
			}
			c = plain
		} else {
			web, _, err := websocket.Dial(t.Context(), "ws://"+s.Listen[0]+"/mqtt", &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
			if err != nil {
				t.Fatal(err)
			}
			if web.Subprotocol() != "mqtt" {
				t.Errorf("the subprotocol is %q", web.Subprotocol())
			}
			c = websocket.NetConn(t.Context(), web, websocket.MessageBinary)
		}
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprint(c, connect)
		got := make([]byte, len(accepted))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != accepted {
			t.Errorf("%s: the broker says %q, %v", s.Name, got, err)
		}
		c.Close()
	}
}

// TestExampleNoVNC: the page and the VNC server are on one port. TestNoVNCAgain uses a browser.
func TestExampleNoVNC(t *testing.T) {
	t.Parallel()
	server, _ := startVNC(t, installed(t, "Xtigervnc"), "640x480")
	web := t.TempDir()
	write(t, web+"/vnc.html", "<title>noVNC</title>")
	in := runConfigured(t, example(t, "novnc.toml", "127.0.0.1:6080", "127.0.0.1:0", "127.0.0.1:5901", server, "/usr/share/novnc", web))
	page, err := http.Get("http://" + in.addr() + "/vnc.html")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(page.Body)
	page.Body.Close()
	if page.StatusCode != 200 || !strings.Contains(string(text), "noVNC") {
		t.Errorf("the page is %d %q", page.StatusCode, text)
	}
	c, _, err := websocket.Dial(t.Context(), "ws://"+in.addr()+"/websockify", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, hello, err := c.Read(t.Context()); err != nil || !strings.HasPrefix(string(hello), "RFB 003") {
		t.Errorf("the VNC server says %q, %v", hello, err)
	}
}

// TestExampleThreeNodes: an act on all nodes drains a backend on each.
func TestExampleThreeNodes(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	key, _ := runTcpctl(t, "mesh", "key")
	write(t, secret, key)
	a := startBackend(t, "a")
	first := proxytest.FreePort(t)
	var all []*configured
	for n := range 3 {
		listen := "127.0.0.1:0"
		if n == 0 {
			listen = first
		}
		text := example(t, "three-nodes.toml", "0.0.0.0:8080", "127.0.0.1:0", "10.0.0.61:8080", a.addr, "10.0.0.62:8080", a.addr,
			"0.0.0.0:7700", listen, "10.0.0.71:7700", first, "mdns        = true", "mdns = false", "/etc/tcpctl/mesh.secret", secret)
		all = append(all, runConfigured(t, strings.Replace(text, "[mesh]", fmt.Sprintf("[mesh]\nnode = \"edge-%d\"", n+1), 1)))
	}
	for _, in := range all {
		in.untilPeers(2)
	}
	all[0].tcpctl("drain", "web/a", "--peer", "all")
	for _, in := range all {
		if b := in.service().Backends[0]; b.Admin != proxy.AdminDrain {
			t.Errorf("%s: %s is %s", in.status().Node.Name, b.Name, b.Admin)
		}
	}
}
