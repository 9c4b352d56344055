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
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

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
