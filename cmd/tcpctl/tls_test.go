package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// certificate makes a certificate for 127.0.0.1 with openssl, with name as its CN.
func certificate(t *testing.T, dir, name string) {
	t.Helper()
	certificateFor(t, dir, name, 2)
}

// certificateFor is certificate with a validity in days.
func certificateFor(t *testing.T, dir, name string, days int) {
	t.Helper()
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", strconv.Itoa(days), "-subj", "/CN="+name,
		"-addext", "subjectAltName=IP:127.0.0.1", "-keyout", filepath.Join(dir, "new.key"), "-out", filepath.Join(dir, "new.pem")).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	for _, f := range []string{".key", ".pem"} {
		if err := os.Rename(filepath.Join(dir, "new"+f), filepath.Join(dir, "desk"+f)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOpenSSLMeetsANewCertificate: once the files on disk have changed, openssl s_client gets the
// new certificate, without a reload; connected clients continue.
func TestOpenSSLMeetsANewCertificate(t *testing.T) {
	t.Parallel()
	needs(t, "openssl")
	b := startBackend(t, "a")
	dir := t.TempDir()
	certificate(t, dir, "first")
	in := runConfigured(t, `[services.desk]
listen = "127.0.0.1:0"
backends = ["`+b.addr+`"]
[services.desk.tls]
cert = "`+dir+`/desk.pem"
key = "`+dir+`/desk.key"
`)
	client := func(more ...string) string {
		cmd := exec.Command("openssl", append([]string{"s_client", "-connect", in.addr(), "-quiet", "-no_ign_eof"}, more...)...)
		cmd.Stdin = strings.NewReader("hello\n")
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if out := client("-CAfile", dir+"/desk.pem", "-verify_return_error"); !strings.Contains(out, "CN = first") {
		t.Errorf("openssl: %s", out)
	}
	if out := client("-tls1_1"); strings.Contains(out, "CN = first") {
		t.Errorf("TLS 1.1 was accepted: %s", out)
	}
	certificate(t, dir, "second")
	for began := time.Now(); ; restSince(began) { // it looks once a second
		out := client()
		if strings.Contains(out, "CN = second") {
			break
		}
		if time.Since(began) > patience {
			t.Fatalf("openssl: %s", out)
		}
	}
	write(t, dir+"/desk.pem", "this is no certificate\n")
	for began := time.Now(); !strings.Contains(in.log(), "a changed certificate cannot be read"); restSince(began) {
		if out := client(); !strings.Contains(out, "CN = second") {
			t.Fatalf("openssl: %s", out)
		}
		if time.Since(began) > patience {
			t.Fatal("no event says that the certificate cannot be read")
		}
	}
	// A client that does not speak TLS is refused, and a record says so.
	c, err := dial(in.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.says("GET / HTTP/1.0")
	c.sees()
	for began := time.Now(); !strings.Contains(in.tcpctl("sessions", "--ended"), "TLS handshake failed"); restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("no record of the failed TLS handshake")
		}
	}
}

// TestACertificateNearItsEnd: status warns of a certificate that expires soon until the file has a
// new one, without a reload; after a reload to another file, it warns of that one.
func TestACertificateNearItsEnd(t *testing.T) {
	t.Parallel()
	needs(t, "openssl")
	dir, other := t.TempDir(), t.TempDir()
	certificateFor(t, dir, "first", 3)
	certificateFor(t, other, "third", 9)
	text := func(dir string) string {
		return `[services.desk]
listen = "127.0.0.1:0"
backends = ["` + proxytest.FreePort(t) + `"]
check.type = "none"
tls = { cert = "` + dir + `/desk.pem", key = "` + dir + `/desk.key" }
`
	}
	in := runConfigured(t, text(dir))
	until := func(file string, days int) {
		t.Helper()
		want := "~ certificate " + file + " expires in " + strconv.Itoa(days) + " day"
		for began := time.Now(); ; restSince(began) { // it looks once a second
			c := in.status().Certificates
			if len(c) != 1 || c[0].Name != "desk" || c[0].File != file {
				t.Fatalf("certificates %+v", c)
			}
			if near := time.Until(c[0].NotAfter) < time.Duration(days+1)*24*time.Hour && time.Until(c[0].NotAfter) > time.Duration(days)*24*time.Hour; near {
				break
			}
			if time.Since(began) > patience {
				t.Fatalf("certificates %+v, and not one for %d days", c, days)
			}
		}
		if out := in.tcpctl("status"); strings.Contains(out, want) != (days < 14) {
			t.Errorf("status: %s", out)
		}
	}
	until(dir+"/desk.pem", 2)
	certificateFor(t, dir, "second", 90)
	until(dir+"/desk.pem", 89)
	write(t, in.path, text(other))
	in.tcpctl("reload")
	until(other+"/desk.pem", 8)
}

// TestPromtoolIsContent with /metrics; /readyz is 200, also while a service is paused, but not if
// one is closed.
func TestPromtoolIsContent(t *testing.T) {
	t.Parallel()
	needs(t, "promtool")
	b := startBackend(t, "a")
	addr := proxytest.FreePort(t)
	in := runConfigured(t, `[metrics]
listen = "`+addr+`"
[services.db]
listen = "127.0.0.1:0"
backends = ["`+b.addr+`"]
lock = {slots = 1}
`)
	c, err := dial(in.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.says("hello")
	c.hears("a: hello")
	r, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = r.Body
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	ready := func(want int) {
		t.Helper()
		r, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("/readyz: %s, not %d", r.Status, want)
		}
	}
	ready(200)
	in.tcpctl("pause", "db", "--limit", "1m")
	ready(200)
	in.tcpctl("resume", "db")
	in.tcpctl("close", "db")
	ready(503)
	in.tcpctl("open", "db")
	// A reload to another address opens the new one, then closes the old one.
	text := readFile(t, in.path)
	other := proxytest.FreePort(t)
	write(t, in.path, strings.Replace(text, addr, other, 1))
	if out := in.tcpctl("reload"); !strings.Contains(out, "metrics.listen from") {
		t.Errorf("reload: %s", out)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the old address of metrics is still open")
	}
	addr = other
	ready(200)
	http.DefaultClient.CloseIdleConnections()
}
