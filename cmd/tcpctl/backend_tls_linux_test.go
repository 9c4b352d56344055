package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// issuer is a CA that writes certificates into a folder.
type issuer struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newIssuer makes a CA and writes its own certificate to NAME.pem.
func newIssuer(t *testing.T, dir, name string) *issuer {
	t.Helper()
	i := &issuer{t: t, dir: dir}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-72 * time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	i.cert, i.key = template, nil
	der, key := i.sign(template)
	i.key = key
	i.cert, _ = x509.ParseCertificate(der)
	write(t, filepath.Join(dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return i
}

// issue writes FILE.pem and FILE.key for a name, valid for that long from now.
func (i *issuer) issue(file, name string, until time.Duration) {
	i.t.Helper()
	der, key := i.sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(until)})
	text, _ := x509.MarshalPKCS8PrivateKey(key)
	write(i.t, filepath.Join(i.dir, file+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(i.t, filepath.Join(i.dir, file+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})))
}

func (i *issuer) sign(template *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	by := i.key
	if by == nil {
		by = key
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, i.cert, &key.PublicKey, by); err != nil {
		i.t.Fatal(err)
	}
	return der, key
}

// webServers runs an nginx with a TLS server for each certificate in dir, which answers with the
// certificate's name.
func webServers(t *testing.T, dir string, certificates ...string) (addrs map[string]string) {
	t.Helper()
	addrs = map[string]string{}
	var conf strings.Builder
	fmt.Fprintf(&conf, "daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;\nevents {}\nhttp { access_log off; keepalive_timeout 1h;\n", dir)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&conf, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	last := ""
	for _, name := range certificates {
		last = proxytest.FreePort(t)
		addrs[name] = last
		fmt.Fprintf(&conf, "server { listen %s ssl; ssl_certificate %s/%s.pem; ssl_certificate_key %[2]s/%[3]s.key; location / { return 200 \"%[3]s\\n\"; } }\n", last, dir, name)
	}
	conf.WriteString("}\n")
	write(t, filepath.Join(dir, "nginx.conf"), conf.String())
	startProgram(t, last, "nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	return addrs
}

// TestTLSToNginx: nginx as backend, curl as client. Status says in a word what is wrong with a
// certificate, and no client is affected.
func TestTLSToNginx(t *testing.T) {
	t.Parallel()
	needs(t, "nginx", "curl")
	dir := t.TempDir()
	ours, theirs := newIssuer(t, dir, "ours"), newIssuer(t, dir, "theirs")
	ours.issue("good", "www.example.org", time.Hour)
	ours.issue("name", "mail.example.org", time.Hour)
	ours.issue("old", "www.example.org", -time.Hour)
	theirs.issue("other", "www.example.org", time.Hour)
	at := webServers(t, dir, "good", "name", "old", "other")
	plain := startBackend(t, "plain")
	at["plain"] = plain.addr
	text := "[services.web]\nlisten = \"127.0.0.1:0\"\ncheck = { interval = \"100ms\", timeout = \"1m\", fall = 1 }\nbackends = [\n"
	for name, addr := range at {
		text += fmt.Sprintf("{ name = %q, addr = %q, tls = true, tls_name = \"www.example.org\", ca = \"%s/ours.pem\" },\n", name, addr, dir)
	}
	in := runConfigured(t, text+"]\n")
	want := map[string]proxy.Reason{"good": "", "name": proxy.ReasonTLSWrongName, "old": proxy.ReasonTLSExpired, "other": proxy.ReasonTLSUnknownCA, "plain": proxy.ReasonNotTLS}
	in.until("each has its reason", func(s *proxy.ServiceInfo) bool {
		for _, b := range s.Backends {
			if b.Check == nil || b.Check.Reason != want[b.Name] || (b.State == proxy.StateUp) != (b.Name == "good") {
				return false
			}
		}
		return true
	})
	out := in.tcpctl("status")
	for _, said := range []string{"its certificate is for mail.example.org, not for www.example.org", "its certificate expired on", `signed by an unknown CA ("theirs")`, "it speaks no TLS"} {
		if !strings.Contains(out, said) {
			t.Errorf("status does not say %q:\n%s", said, out)
		}
	}
	for range 5 {
		if out, err := exec.Command("curl", "-sS", "http://"+in.addr()).CombinedOutput(); string(out) != "good\n" {
			t.Fatalf("curl: %s, %v", out, err)
		}
	}
	if i := in.service(); i.Sessions.Failed+i.Sessions.Cut+i.Sessions.Rejected > 0 {
		t.Errorf("counted %+v", i.Sessions)
	}
}

// TestThreeServicesOnOnePort: openssl and curl select them by name, nginx has the certificates. A
// live session survives the removal of its service by a reload, and an upgrade.
func TestThreeServicesOnOnePort(t *testing.T) {
	t.Parallel()
	needs(t, "nginx", "curl", "openssl")
	dir := t.TempDir()
	ours := newIssuer(t, dir, "ours")
	for _, name := range []string{"a", "b", "c"} {
		ours.issue(name, name+".example.org", time.Hour)
	}
	at := webServers(t, dir, "a", "b", "c")
	addr := proxytest.FreePort(t)
	service := func(name, sni string) string {
		return fmt.Sprintf("[services.%s]\nlisten = %q\nsni = [%q]\nbackends = [%q]\n", name, addr, sni, at[name])
	}
	a, b, c := service("a", "a.example.org"), service("b", "b.example.org"), service("c", "*")
	in := runConfigured(t, a+b+c)
	curl := func(name string) string {
		_, port, _ := net.SplitHostPort(addr)
		out, _ := exec.Command("curl", "-sS", "--cacert", dir+"/ours.pem", "--resolve", name+":"+port+":127.0.0.1", "https://"+name+":"+port).CombinedOutput()
		return string(out)
	}
	for name, want := range map[string]string{"a.example.org": "a\n", "b.example.org": "b\n", "c.example.org": "c\n"} {
		if out := curl(name); out != want {
			t.Errorf("curl for %s: %s", name, out)
		}
		client := exec.Command("openssl", "s_client", "-connect", addr, "-servername", name, "-CAfile", dir+"/ours.pem", "-verify_return_error", "-verify_hostname", name)
		if out, err := client.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("subject=CN = "+name)) {
			t.Errorf("openssl for %s: %v\n%s", name, err, out)
		}
	}
	live, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "b.example.org", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	live.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(live)
	asks := func(when string) {
		t.Helper()
		fmt.Fprint(live, "GET / HTTP/1.1\r\nHost: b\r\n\r\n")
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: the live session has ended: %v", when, err)
			}
			if line == "b\n" {
				return
			}
		}
	}
	asks("at first")
	write(t, in.path, a+c)
	in.tcpctl("reload")
	asks("after the reload")
	if out := curl("b.example.org"); strings.HasSuffix(out, "b\n") {
		t.Errorf("b is served after it has gone: %s", out)
	}
	old := in.status().Node.PID
	in.tcpctl("upgrade")
	in.follow(old)
	defer in.ends()
	asks("after the upgrade")
	if out := curl("a.example.org"); out != "a\n" {
		t.Errorf("curl after the upgrade: %s", out)
	}
	if c, err := dial(addr); err == nil {
		c.says("this is no TLS")
		c.sees()
		c.Close()
	}
	for began := time.Now(); !strings.Contains(in.tcpctl("sessions", "--ended"), "no TLS"); restSince(began) {
		if time.Since(began) > patience {
			t.Fatal("no record says that there was no TLS")
		}
	}
}
