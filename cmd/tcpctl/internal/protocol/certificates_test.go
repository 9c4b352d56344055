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

// certificate is one of example.com, and what trusts it. That of httptest has an RSA key, whose signatures would be
// a tenth of what these tests cost.
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
		// Its time is that of the test's clock, so that two writes differ in it.
		if err := os.Chtimes(file, time.Time{}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// Certificates says what the next client would be given: a renewed certificate
// without a client that has asked for it, and the old one while the new one cannot
// be read. A service without TLS has none.
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

// TestSessionTicketsOutliveAReload: what a reload makes of the same files takes the
// tickets of the configuration before it, also when the certificate is a new one,
// and when a reload in between has failed.
func TestSessionTicketsOutliveAReload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	cert, key := writeCertificate(t, dir, time.Now().Add(time.Hour))
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "desk", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	connect := func(server *tls.Config) (resumed bool) {
		t.Helper()
		l := proxytest.Listen(t)
		defer l.Close()
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
			_, err := over.Write([]byte("x")) // behind the ticket
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
		t.Error("a key that is not there was read")
	}
	os.WriteFile(key, []byte("no key"), 0o600)
	if _, err := TLS(cert, key, "", log); err == nil {
		t.Error("a key that is none was read")
	}
	writeCertificate(t, dir, time.Now().Add(2*time.Hour))
	after, err := TLS(cert, key, "", log)
	if err != nil {
		t.Fatal(err)
	}
	if !connect(after) {
		t.Error("the session is not resumed behind a reload")
	}
	runtime.KeepAlive(before)
}
