package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestNoVNC runs noVNC in Chromium, with real VNC servers behind the bridge that serves the page.
// It is skipped if a program is missing.
func TestNoVNC(t *testing.T) {
	t.Parallel()
	chromium, vnc, web := installed(t, "chromium"), installed(t, "Xtigervnc"), t.TempDir()
	install := exec.Command(installed(t, "npm"), "install", "--fetch-retries=0", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", web, "@novnc/novnc@1.7.0")
	install.WaitDelay = time.Second
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm has no noVNC here: %v\n%s", err, out)
	}
	write(t, filepath.Join(web, "index.html"), vncPage(comeBack))
	write(t, filepath.Join(web, "desks.html"), vncPage(visitDesks))
	server, log := startVNC(t, vnc, "640x480")
	desk := runConfigured(t, fmt.Sprintf("[services.desk]\nlisten = \"127.0.0.1:0\"\nbackends = [%q]\nno_backend = \"reject\"\ncheck = { type = \"passive\", interval = \"100ms\" }\nws = { web = %q }\n", server, web))
	desks := startDesks(t, vnc, web)
	again, byPath := browseVNC(t, chromium, desk.addr(), "/?", desks.addr, "/desks.html?token=right-token&")
	t.Run("again", func(t *testing.T) { noVNCAgain(t, again, desk, log) })
	t.Run("by path", func(t *testing.T) { noVNCByPath(t, byPath, desks) })
}

// noVNCAgain connects to a server, and again after a pause in which active checks (one every 100 ms)
// would have made the server blacklist the bridge, as it does after five connections that send
// nothing. The server has seen only the page's two connections.
func noVNCAgain(t *testing.T, got string, desk *configured, log string) {
	if want := "640x480, painted; 640x480, painted"; got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
	s := desk.service()
	if s.BytesOut < 1000 {
		t.Errorf("%d bytes came from the server", s.BytesOut)
	}
	seenByVNC(t, log, 2)
	if b := s.Backends[0]; b.State != proxy.StateUp || b.Failed > 0 {
		t.Errorf("the server is %+v", b)
	}
}

// vncDesks are three servers on one port, by path and with a token.
type vncDesks struct {
	*configured
	addr        string
	names, logs []string
}

func startDesks(t *testing.T, vnc, web string) *vncDesks {
	t.Helper()
	tokens, addr := filepath.Join(t.TempDir(), "tokens"), proxytest.FreePort(t)
	write(t, tokens, "# for the desks\nright-token\n")
	d := &vncDesks{addr: addr, names: []string{"a", "b", "c"}}
	screens, text := []string{"640x480", "800x600", "1024x768"}, ""
	for i, name := range d.names {
		server, log := startVNC(t, vnc, screens[i])
		d.logs = append(d.logs, log)
		pages := ""
		if i == 0 { // the page of one service connects to all
			pages = fmt.Sprintf(", web = %q", web)
		}
		text += fmt.Sprintf("[services.%s]\nlisten = %q\nbackends = [%q]\ncheck = { type = \"passive\" }\nws = { path = \"/desk/%[1]s\", auth = \"token:%[4]s\"%[5]s }\n", name, addr, server, tokens, pages)
	}
	d.configured = runConfigured(t, text)
	return d
}

// noVNCByPath: each server has seen only its own client, and not the one with a wrong token, which
// its service has refused with 401 and counted.
func noVNCByPath(t *testing.T, got string, in *vncDesks) {
	if want := "a: 640x480, painted; b: 800x600, painted; c: 1024x768, painted; b with a wrong token: disconnected, clean: false"; got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
	if status, err := call("ws://" + in.addr + "/desk/c?token=wrong-token").told(); status != http.StatusUnauthorized {
		t.Errorf("a wrong token: status %d, %v", status, err)
	}
	for i, refused := range []string{"", "refused 1: auth 1", "refused 1: auth 1"} {
		// A client gets its 401 before it is counted. Total is not checked: Chromium opens unused connections to the
		// first service.
		waitUntil(t, "one client of "+in.names[i], func() bool {
			var st struct{ Services []proxy.ServiceInfo }
			if err := json.Unmarshal([]byte(in.tcpctl("status", "--json")), &st); err != nil {
				t.Fatal(err)
			}
			s := &st.Services[i]
			return s.Name == in.names[i] && s.Backends[0].Total == 1 && s.RefusedText() == refused && s.BytesOut >= 1000
		})
		seenByVNC(t, in.logs[i], 1)
	}
	if strings.Contains(in.log()+in.tcpctl("events")+in.tcpctl("sessions", "--ended"), "-token") {
		t.Error("a token is in the log, an event or a record")
	}
}

// TestWSMakesNoChecks: the settings in TestNoVNC's file are the defaults of tcpctl ws.
func TestWSMakesNoChecks(t *testing.T) {
	for flag, want := range map[string]string{"check": health.Passive, "no-backend": proxy.Reject} {
		if f := wsCommand().Flags().Lookup(flag); f.DefValue != want {
			t.Errorf("--%s is %q by default, want %q", flag, f.DefValue, want)
		}
	}
	if b := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", proxytest.FreePort(t)).service().Backends[0]; b.State != proxy.StateUp {
		t.Errorf("a backend that no client has asked for is %+v", b)
	}
}
