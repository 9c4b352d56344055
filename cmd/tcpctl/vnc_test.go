package main

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// browseVNC opens a page of a bridge at addr, which goes to a page of another bridge once it has
// reported, and returns both reports: another browser would take a second of a processor.
func browseVNC(t *testing.T, chromium, addr, page, nextAddr, nextPage string) (said, saidNext string) {
	t.Helper()
	reports := startEcho(t)
	say := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", reports.addr, "--origin", "http://"+addr, "--origin", "http://"+nextAddr)
	to := "report=ws://" + say.addr() + "/"
	browse(t, chromium, "http://"+addr+page+to+"&next="+url.QueryEscape("http://"+nextAddr+nextPage+to))
	return reports.report(t), reports.report(t)
}

// seenByVNC checks how many clients a server has seen, besides startVNC's own.
func seenByVNC(t *testing.T, log string, want int) {
	t.Helper()
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(said), "Connections: accepted") - 1; n != want {
		t.Errorf("the server has seen %d clients, want %d:\n%s", n, want, said)
	}
}

// vncPage returns a page that reports the result of its script. In the script, visit waits until
// something is painted, and disconnects.
func vncPage(script string) string {
	return `<!doctype html><meta charset="utf-8"><div id="screen" style="width:700px;height:500px"></div><script type="module">
import RFB from "./node_modules/@novnc/novnc/core/rfb.js";
const query = new URLSearchParams(location.search);
const say = text => {
  const s = new WebSocket(query.get("report"));
  s.onopen = () => s.send("report " + text + "\n");
  s.onmessage = () => { if (query.has("next")) location = query.get("next"); };
};
const visit = path => new Promise((painted, failed) => {
  const rfb = new RFB(document.getElementById("screen"), location.origin.replace("http", "ws") + path);
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
  say(await (async () => {` + script + `})());
} catch (why) {
  say(why);
}
</script>`
}

// comeBack comes twice, with 2 s in between: twenty checks, and a server blacklists
// after five connections that send nothing.
const comeBack = `
  const first = await visit("/");
  await new Promise(later => setTimeout(later, 2000));
  return first + "; " + await visit("/");
`

// visitDesks visits three services, and one of them with a wrong token.
const visitDesks = `
  const found = [], token = query.get("token");
  for (const desk of ["a", "b", "c"]) {
    found.push(desk + ": " + await visit("/desk/" + desk + "?token=" + token));
    document.getElementById("screen").replaceChildren();
  }
  found.push("b with a wrong token: " + await visit("/desk/b?token=wrong-token").catch(why => why));
  return found.join("; ");
`

// startVNC runs a VNC server with its own screen, and returns its address and the path of its log.
func startVNC(t *testing.T, program, geometry string) (server, log string) {
	t.Helper()
	server = proxytest.FreePort(t)
	_, port, _ := net.SplitHostPort(server)
	// The port is also the display number, so that two servers do not collide.
	cmd := exec.Command(program, ":"+port, "-rfbport", port, "-localhost",
		"-SecurityTypes", "None", "-geometry", geometry, "-depth", "24", "-retro", "-nolisten", "tcp")
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
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		if c, err := net.Dial("tcp", server); err == nil {
			c.Close()
			return server, said.Name()
		}
	}
	t.Fatalf("%s does not listen", program)
	return "", ""
}
