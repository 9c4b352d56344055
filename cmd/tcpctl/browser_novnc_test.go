package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/health"
)

// TestNoVNC has noVNC, in Chromium, reach the first frame of a real VNC server
// through the bridge that serves it, and again once the bridge has been alone
// with the server for longer than that takes to blacklist whoever connects and
// says nothing (five connections, and a check would be made every 200 ms). The
// server has seen nobody but the two.
func TestNoVNC(t *testing.T) {
	t.Parallel()
	chromium, npm, vnc := installed(t, "chromium"), installed(t, "npm"), installed(t, "Xtigervnc")
	web := t.TempDir()
	install := exec.Command(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", web, "@novnc/novnc@1.7.0")
	install.WaitDelay = time.Second
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm has no noVNC here: %v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(web, "index.html"), []byte(vncPage), 0o644); err != nil {
		t.Fatal(err)
	}
	server, log := startVNC(t, vnc)
	desk := runConfigured(t, fmt.Sprintf("[services.desk]\nlisten = \"127.0.0.1:0\"\nbackends = [%q]\nno_backend = \"reject\"\ncheck = { type = \"passive\", interval = \"200ms\" }\nws = { web = %q }\n", server, web))
	origin := "http://" + desk.addr()
	reports := startEcho(t)
	say := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", reports.addr, "--origin", origin)
	browse(t, chromium, origin+"/?report=ws://"+say.addr()+"/")
	if got, want := reports.report(t), "640x480, painted; 640x480, painted"; got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
	s := desk.service()
	if s.BytesOut < 1000 {
		t.Errorf("%d bytes came from the server", s.BytesOut)
	}
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(said), "Connections: accepted"); n != 1+2 { // startVNC's own
		t.Errorf("the server has seen %d connections:\n%s", n, said)
	}
	if b := s.Backends[0]; b.State != proxy.StateUp || b.Failed > 0 {
		t.Errorf("the server is %+v", b)
	}
}

// TestWSMakesNoChecks: what TestNoVNC has in its file is what tcpctl ws has by
// default.
func TestWSMakesNoChecks(t *testing.T) {
	for flag, want := range map[string]string{"check": health.Passive, "no-backend": proxy.Reject} {
		if f := wsCommand().Flags().Lookup(flag); f.DefValue != want {
			t.Errorf("--%s is %q by default, want %q", flag, f.DefValue, want)
		}
	}
	if b := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", freePort(t)).service().Backends[0]; b.State != proxy.StateUp {
		t.Errorf("a backend that nobody has asked for is %+v", b)
	}
}

// vncPage waits until something is painted, leaves, and comes back after 40 s, longer than a blacklist takes.
const vncPage = `<!doctype html><meta charset="utf-8"><div id="screen" style="width:700px;height:500px"></div><script type="module">
import RFB from "./node_modules/@novnc/novnc/core/rfb.js";
const say = text => {
  const s = new WebSocket(new URLSearchParams(location.search).get("report"));
  s.onopen = () => s.send("report " + text + "\n");
};
const visit = () => new Promise((painted, failed) => {
  const rfb = new RFB(document.getElementById("screen"), location.origin.replace("http", "ws"));
  rfb.addEventListener("disconnect", e => failed("disconnected, clean: " + e.detail.clean));
  rfb.addEventListener("connect", () => {
    const look = setInterval(() => {
      const canvas = document.querySelector("#screen canvas");
      const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      if (!pixels.some((v, i) => i % 4 < 3 && v > 0)) return;
      clearInterval(look);
      painted(canvas.width + "x" + canvas.height + ", painted");
      rfb.disconnect();
    }, 100);
  });
});
try {
  const first = await visit();
  await new Promise(later => setTimeout(later, 40000));
  say(first + "; " + await visit());
} catch (why) {
  say(why);
}
</script>`

// startVNC runs a VNC server with a screen of its own, and gives its address
// and the file of what it says.
func startVNC(t *testing.T, program string) (server, log string) {
	t.Helper()
	server = freePort(t)
	_, port, _ := net.SplitHostPort(server)
	// The screen's number is free like the port: two servers do not meet.
	cmd := exec.Command(program, ":"+port, "-rfbport", port, "-localhost",
		"-SecurityTypes", "None", "-geometry", "640x480", "-depth", "24", "-retro", "-nolisten", "tcp")
	said, err := os.Create(filepath.Join(t.TempDir(), "vnc.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", server); err == nil {
			c.Close()
			return server, said.Name()
		}
	}
	t.Fatalf("%s does not listen", program)
	return "", ""
}
