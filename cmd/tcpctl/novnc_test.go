package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestNoVNC has noVNC, in Chromium, reach the first frame of a real VNC server
// through the bridge that serves it.
func TestNoVNC(t *testing.T) {
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
	desk := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", startVNC(t, vnc), "--web", web)
	origin := "http://" + desk.addr()
	reports := startEcho(t)
	say := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", reports.addr, "--origin", origin)
	browse(t, chromium, origin+"/?report=ws://"+say.addr()+"/")
	if got, want := reports.report(t), "640x480, painted"; got != want {
		t.Errorf("the page says %q, want %q", got, want)
	}
	if s := desk.service(); s.BytesOut < 1000 {
		t.Errorf("%d bytes came from the server", s.BytesOut)
	}
}

// vncPage waits until something is painted.
const vncPage = `<!doctype html><meta charset="utf-8"><div id="screen" style="width:700px;height:500px"></div><script type="module">
import RFB from "./node_modules/@novnc/novnc/core/rfb.js";
const say = text => {
  const s = new WebSocket(new URLSearchParams(location.search).get("report"));
  s.onopen = () => s.send("report " + text + "\n");
};
const rfb = new RFB(document.getElementById("screen"), location.origin.replace("http", "ws"));
rfb.addEventListener("disconnect", e => say("disconnected, clean: " + e.detail.clean));
rfb.addEventListener("connect", () => {
  const look = setInterval(() => {
    const canvas = document.querySelector("#screen canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    if (!pixels.some((v, i) => i % 4 < 3 && v > 0)) return;
    clearInterval(look);
    say(canvas.width + "x" + canvas.height + ", painted");
  }, 100);
});
</script>`

// startVNC runs a VNC server with a screen of its own, and gives its address.
func startVNC(t *testing.T, program string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr)
	ln.Close()
	// The screen's number is free like the port: two servers do not meet.
	cmd := exec.Command(program, ":"+strconv.Itoa(addr.Port), "-rfbport", strconv.Itoa(addr.Port), "-localhost",
		"-SecurityTypes", "None", "-geometry", "640x480", "-depth", "24", "-retro", "-nolisten", "tcp")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			c.Close()
			return addr.String()
		}
	}
	t.Fatalf("%s does not listen", program)
	return ""
}
