package protocol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// certificate returns a certificate for example.com, and a pool that trusts it. httptest's has an RSA key, whose
// signatures would take a tenth of these tests' time.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), DNSNames: []string{"example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: secret, Leaf: leaf}, roots
})

// writeCertificate writes a certificate and its key, valid until notAfter.
func writeCertificate(t *testing.T, dir string, notAfter time.Time) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(notAfter.Unix()), NotBefore: notAfter.Add(-time.Hour), NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "desk.pem"), filepath.Join(dir, "desk.key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// Set the times from the test's clock, so that those of two writes differ.
		if err := os.Chtimes(file, time.Time{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// Certificates returns what the next client would get: a renewed certificate even before any client
// connects, and the old one while the new one cannot be read. A service without TLS has none.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		soon, later := time.Now().Add(time.Minute).Truncate(time.Second), time.Now().Add(1000*time.Hour).Truncate(time.Second)
		cert, key := writeCertificate(t, dir, soon)
		c, err := TLS(cert, key, "", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		services := []proxy.ServiceConfig{{Name: "plain"}, {Name: "desk", TLS: c}, {Name: "other", TLS: &tls.Config{}}}
		until := func(want time.Time) {
			t.Helper()
			got := Certificates(services)
			if len(got) != 1 || got[0].Name != "desk" || got[0].File != cert || !got[0].NotAfter.Equal(want) {
				t.Errorf("certificates %+v, and not one until %s", got, want)
			}
		}
		until(soon)
		time.Sleep(2 * statInterval)
		writeCertificate(t, dir, later)
		until(later)
		time.Sleep(2 * statInterval)
		if err := os.WriteFile(cert, []byte("not one\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		until(later)
	})
}

// TestSessionTicketsOutliveAReload: after a reload with the same files, tickets of the
// configuration before it are accepted, even with a new certificate, and after a failed reload.
func TestSessionTicketsOutliveAReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	cert, key := writeCertificate(t, dir, time.Now().Add(time.Hour))
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "desk", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	connect := func(server *tls.Config) (resumed bool) {
		t.Helper()
		l := proxytest.Listen(t)
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		failed := make(chan error, 1)
		go func() {
			over := tls.Server(s, server)
			_, err := over.Write([]byte("x")) // read after the ticket
			failed <- err
		}()
		over := tls.Client(c, client)
		if _, err := over.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
		return over.ConnectionState().DidResume
	}
	before, err := TLS(cert, key, "", log)
	if err != nil {
		t.Fatal(err)
	}
	if connect(before) || !connect(before) {
		t.Fatal("one configuration does not resume its own session, or another's")
	}
	if _, err := TLS(cert, filepath.Join(dir, "none.key"), "", log); err == nil {
		t.Error("a missing key was accepted")
	}
	os.WriteFile(key, []byte("no key"), 0o600)
	if _, err := TLS(cert, key, "", log); err == nil {
		t.Error("an invalid key was accepted")
	}
	writeCertificate(t, dir, time.Now().Add(2*time.Hour))
	after, err := TLS(cert, key, "", log)
	if err != nil {
		t.Fatal(err)
	}
	if !connect(after) {
		t.Error("the session is not resumed after a reload")
	}
	runtime.KeepAlive(before)
}
