package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// scraped is an instance with metrics.
type scraped struct {
	*configured
	t    *testing.T
	addr string
}

// scrape returns the current metrics.
func (s *scraped) scrape() string {
	s.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + s.addr + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		s.t.Fatalf("%d, %v", r.StatusCode, err)
	}
	return string(text)
}

// await waits until each line is among the metrics. "> 0" at the end of a line matches any number
// above 0.
func (s *scraped) await(lines ...string) {
	s.t.Helper()
	for began := time.Now(); ; restSince(began) {
		text, missing := s.scrape(), ""
		for _, l := range lines {
			if name, above := strings.CutSuffix(l, " > 0"); above && strings.Contains(text, "\n"+name+" ") && !strings.Contains(text, "\n"+name+" 0\n") {
				continue
			}
			if !strings.Contains(text, "\n"+l+"\n") {
				missing = l
			}
		}
		if missing == "" {
			return
		}
		if time.Since(began) > patience {
			s.t.Fatalf("timeout waiting for %s:\n%s", missing, text)
		}
	}
}

// TestMetricsAfterRealEvents: metrics of the real program count what happened, by kind.
func TestMetricsAfterRealEvents(t *testing.T) {
	t.Parallel()
	needs(t, "openssl", "false", "true")
	a := startBackend(t, "a")
	dead, web := proxytest.FreePort(t), proxytest.Listen(t)
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(web)
	defer srv.Close()
	dir := t.TempDir()
	certificate(t, dir, "desk")
	list := filepath.Join(dir, "list.json")
	write(t, list, fmt.Sprintf(`[{"name": "found", "addr": %q}]`, a.addr))
	s := &scraped{t: t, addr: proxytest.FreePort(t)}
	good := fmt.Sprintf(`[metrics]
listen = %q
[services.db]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = %q }, { name = "dead", addr = %q }]
check = { interval = "100ms" }
max_sessions = 50
[services.web]
listen = "127.0.0.1:0"
backends = [{ name = "w", addr = %q }]
check = { type = "http", interval = "100ms" }
[services.none]
listen = "127.0.0.1:0"
backends = [{ name = "first", addr = %q }, { name = "second", addr = %q }]
balance = "first"
check = { type = "none" }
[services.hooked]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = %q }]
check = { type = "none" }
lock = { slots = 1 }
hooks = { before_next = { run = ["false"], on_error = "ignore" } }
[services.desk]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = %q }]
tls = { cert = %q, key = %q }
[services.found]
listen = "127.0.0.1:0"
discover = { from = %q }
`, s.addr, a.addr, dead, web.Addr().String(), dead, a.addr, a.addr, a.addr, dir+"/desk.pem", dir+"/desk.key", "file:"+list)
	s.configured = runConfigured(t, good)

	s.await(`tcpctl_config_last_reload_successful 1`, `tcpctl_config_reloads_total{result="failed"} 0`, `tcpctl_sessions_max{service="db"} 50`,
		`tcpctl_backend_check_failures_total{backend="dead",reason="connect",service="db"} > 0`,
		`tcpctl_backend_check_failures_total{backend="w",reason="answer",service="web"} > 0`,
		`tcpctl_backend_check_duration_seconds_count{backend="a",service="db"} > 0`,
		`tcpctl_backend_state{backend="dead",service="db",state="down"} 1`,
		`tcpctl_backend_state_since_timestamp_seconds{backend="dead",service="db"} > 0`,
		`tcpctl_certificate_expiry_timestamp_seconds{file="`+dir+`/desk.pem",service="desk"} > 0`,
		`tcpctl_source_backends{kind="file",service="found",source="discover"} 1`)

	s.reloads(good)
	s.plans()
	s.sessions()
	write(t, list, "[{") // truncated JSON
	s.await(`tcpctl_source_failing{kind="file",service="found",source="discover"} 1`,
		`tcpctl_source_failures_total{kind="file",service="found",source="discover"} > 0`,
		`tcpctl_source_backends{kind="file",service="found",source="discover"} 1`)
	text := s.scrape()
	if strings.Contains(text, `client="`) || strings.Contains(text, "127.0.0.1:") {
		t.Error("an address is in the metrics")
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	}
}

// reloads a bad file, then a good one.
func (s *scraped) reloads(good string) {
	s.t.Helper()
	write(s.t, s.path, good+"no_such_key = 1\n")
	if out, status := s.try("reload"); status == 0 {
		s.t.Errorf("a bad file was accepted: %s", out)
	}
	s.await(`tcpctl_config_last_reload_successful 0`, `tcpctl_config_reloads_total{result="failed"} 1`)
	write(s.t, s.path, good)
	s.tcpctl("reload")
	s.await(`tcpctl_config_last_reload_successful 1`, `tcpctl_config_reloads_total{result="applied"} 1`, `tcpctl_config_reloads_total{result="failed"} 1`)
}

// plans runs a window that succeeds, and one whose command fails.
func (s *scraped) plans() {
	s.t.Helper()
	for _, c := range []struct {
		command string
		status  int
	}{{"true", 0}, {"false", 1}} {
		if out, status := runTcpctl(s.t, "window", "db", "--socket", s.socket, "--", c.command); status != c.status {
			s.t.Errorf("a window with %s: status %d: %s", c.command, status, out)
		}
	}
	s.await(`tcpctl_plans_total{kind="window",result="done",service="db"} 1`, `tcpctl_plans_total{kind="window",result="failed",service="db"} 1`,
		`tcpctl_plans_total{kind="roll",result="failed",service="db"} 0`)
}

// sessions opens one session that is redispatched, one behind a failing hook, and three over TLS,
// of which one succeeds.
func (s *scraped) sessions() {
	s.t.Helper()
	at := func(service string) string {
		for _, one := range s.status().Services {
			if one.Name == service {
				return one.Listen[0]
			}
		}
		s.t.Fatalf("there is no %s", service)
		return ""
	}
	ask := func(c net.Conn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintln(c, "hello")
		io.ReadAll(io.LimitReader(c, 1))
	}
	dial := func(service string) net.Conn {
		c, err := net.Dial("tcp", at(service))
		if err != nil {
			s.t.Fatal(err)
		}
		return c
	}
	ask(dial("none"))
	s.await(`tcpctl_redispatches_total{service="none"} 1`)
	ask(dial("hooked"))
	s.await(`tcpctl_hook_runs_total{service="hooked"} 1`, `tcpctl_hook_failures_total{service="hooked"} 1`,
		`tcpctl_hook_duration_seconds_count{service="hooked"} 1`, `tcpctl_hook_duration_seconds_sum{service="hooked"} > 0`)
	ask(dial("desk")) // no TLS
	dial("desk").Close()
	c := tls.Client(dial("desk"), &tls.Config{ServerName: "127.0.0.1"}) // unknown CA: the client sends an alert
	if err := c.Handshake(); err == nil {
		s.t.Error("an unknown CA was believed")
	}
	c.Close()
	ask(tls.Client(dial("desk"), &tls.Config{InsecureSkipVerify: true}))
	s.await(`tcpctl_tls_handshake_failures_total{reason="not_tls",service="desk",side="client"} 1`,
		`tcpctl_tls_handshake_failures_total{reason="abandoned",service="desk",side="client"} 1`,
		`tcpctl_tls_handshake_failures_total{reason="tls_alert",service="desk",side="client"} 1`,
		`tcpctl_sessions_total{service="desk"} 4`)
}
