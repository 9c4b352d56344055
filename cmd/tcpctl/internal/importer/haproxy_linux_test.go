package importer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestAccessAgainstHAProxy: of random rules, the translation admits no client whom haproxy rejects, and if no comment
// says otherwise, each whom it admits.
func TestAccessAgainstHAProxy(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Skip("haproxy is not installed")
	}
	backend := proxytest.Serve(t, func(c net.Conn) { c.Write([]byte("x")); c.Close() })
	port := netip.MustParseAddrPort(proxytest.FreePort(t)).Port()
	front := func(i int) string { return fmt.Sprintf("127.200.0.%d:%d", i+1, port) }
	const n = 200
	const office = " acl office src 127.1.0.0/16\n acl office src 127.2.0.1\n"
	text := "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\nbackend none\n"
	r := rand.New(rand.NewPCG(1, 2))
	rules := make([]string, n)
	for i := range rules {
		rules[i] = randomRules(r, "tcp-request connection", "tcp-request connection", "tcp-request session", "tcp-request content", "use_backend")
		if i%2 == 0 {
			text += fmt.Sprintf("listen t%d\n bind %s\n server a %s\n%s%s", i, front(i), backend, office, rules[i])
			continue
		}
		behind := randomRules(r, "tcp-request content")
		text += fmt.Sprintf("frontend t%d\n bind %s\n default_backend b%d\n", i, front(i), i) + office + rules[i]
		text += fmt.Sprintf("backend b%d\n server a %s\n", i, backend) + office + behind
		rules[i] += "backend\n" + behind
	}
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	startHAProxy(t, path, front(n-1))
	imported, err := Import(path, "", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f, err := config.Parse("f", imported.Text)
	if err != nil {
		t.Fatal(err)
	}
	_, comments, _ := strings.Cut(string(imported.Text), "\n[")
	exact := 0
	for i := range rules {
		s := &f.Services[i]
		_, own, _ := strings.Cut(comments, fmt.Sprintf("services.t%d]\n", i))
		commented := strings.HasPrefix(own, "#")
		for _, client := range []string{"127.1.2.3", "127.1.2.4", "127.1.9.9", "127.2.0.1", "127.3.0.1"} {
			want, got := visit(t, client, front(i)), admits(s, netip.MustParseAddr(client))
			if got && !want || want && !got && !commented {
				t.Errorf("%s: haproxy admits it: %t; tcpctl: %t\n%s%.400s", client, want, got, rules[i], own)
			}
		}
		if !commented {
			exact++
		}
	}
	if exact < n/6 || exact == n {
		t.Errorf("%d of %d are without a comment", exact, n)
	}
}

// randomRules returns some rules of these kinds about clients of 127.0.0.0/8.
func randomRules(r *rand.Rand, kinds ...string) (text string) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for range 1 + r.IntN(4) {
		kind := pick(kinds...)
		action := pick("accept", "reject", "reject")
		if kind == "use_backend" {
			action = "none"
		}
		if text += " " + kind + " " + action; r.IntN(4) > 0 || action == "none" {
			text += " " + pick("if", "if", "unless")
			for more := true; more; more = r.IntN(4) == 0 {
				if !strings.HasSuffix(text, "if") && !strings.HasSuffix(text, "unless") {
					text += pick("", " or")
				}
				text += pick(" ", " !") + pick("office", "LOCALHOST", "TRUE", "{ src 127.1.2.3 }", "{ src 127.1.2.3/24 }",
					"{ src 127.2.0.1 127.3.0.0/255.255.0.0 }", "{ src -- 127.1.9.9 127.2.0.0/16 }", "{ dst_port 9 }")
			}
		}
		text += "\n"
	}
	return text
}

// startHAProxy runs haproxy until the test ends, and waits until it listens.
func startHAProxy(t *testing.T, path, addr string) {
	if out, err := exec.Command("haproxy", "-c", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command("haproxy", "-q", "-db", "-f", path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			if err == nil {
				c.Close()
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// visit reports whether a client is served.
func visit(t *testing.T, client, addr string) bool {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	c, err := d.Dial("tcp", addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, _ := c.Read(make([]byte, 1))
	return got == 1
}

func admits(s *config.Service, client netip.Addr) bool {
	has := func(p netip.Prefix) bool { return p.Contains(client) }
	return !slices.ContainsFunc(s.Deny, has) && (len(s.Allow) == 0 || slices.ContainsFunc(s.Allow, has))
}
