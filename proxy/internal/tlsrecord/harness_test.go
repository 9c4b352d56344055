package tlsrecord

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout bounds everything that waits for a peer.
const timeout = time.Minute

// newCertificate returns a self-signed certificate for localhost.
func newCertificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// configs returns the configurations of a server, and of a client that trusts it.
func configs(t testing.TB) (server, client *tls.Config) {
	cert, pool := newCertificate(t, "localhost")
	return &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// dialled returns the two ends of a TCP connection.
func dialled(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{server, client} {
		c.SetDeadline(time.Now().Add(timeout))
		t.Cleanup(func() { c.Close() })
	}
	return server, client
}

// conn uses a Session over a connection in the simplest way, for tests.
type conn struct {
	net.Conn
	mu    sync.Mutex // a test reads and writes in two goroutines
	s     *Session
	in    []byte // ciphertext
	plain []byte
}

func newConn(c net.Conn, h Handshake) *conn { return &conn{Conn: c, s: h.Session, in: h.Early} }

// open opens the records that are there, and sends the answer.
func (c *conn) open() (used int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain, used, err = c.s.Open(make([]byte, 0, MaxPlain), c.in)
	c.in = c.in[used:]
	if a, ok := AlertOf(err); ok {
		c.Conn.Write(c.s.Alert(nil, a))
	}
	if c.s.Pending() {
		c.Conn.Write(c.s.AppendControl(nil))
	}
	return used, err
}

func (c *conn) Read(p []byte) (int, error) {
	for len(c.plain) == 0 {
		used, err := c.open()
		if len(c.plain) > 0 {
			break
		}
		if err != nil {
			return 0, err
		}
		if used > 0 {
			continue
		}
		b := make([]byte, 8<<10)
		n, err := c.Conn.Read(b)
		if n == 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // without a close_notify
		}
		if c.in = append(c.in, b[:n]...); n == 0 {
			return 0, err
		}
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.Conn.Write(c.s.Seal(nil, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *conn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.Conn.Write(c.s.CloseNotify(nil))
	return err
}

// shaken returns the two ends of a TLS connection: of Server, and of crypto/tls.
func shaken(t testing.TB, serverConfig, clientConfig *tls.Config) (Handshake, *conn, *tls.Conn) {
	t.Helper()
	s, c := dialled(t)
	client := tls.Client(c, clientConfig)
	failed := make(chan error, 1)
	go func() { failed <- client.Handshake() }()
	h, err := Server(context.Background(), s, serverConfig)
	if err := errors.Join(err, <-failed); err != nil {
		t.Fatal(err)
	}
	return h, newConn(s, h), client
}

// exchange sends bytes both ways, and ends both.
func exchange(t testing.TB, a, b interface {
	io.ReadWriter
	CloseWrite() error
}, size int) {
	t.Helper()
	sent := make([]byte, size)
	rand.Read(sent)
	done := make(chan error, 4)
	for _, end := range []struct {
		io.ReadWriter
		close func() error
	}{{a, a.CloseWrite}, {b, b.CloseWrite}} {
		go func() {
			_, err := end.Write(sent)
			done <- errors.Join(err, end.close())
		}()
		go func() {
			got, err := io.ReadAll(end)
			if err == nil && !bytes.Equal(got, sent) {
				err = errors.New("the bytes have changed")
			}
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// manyNames is a client's certificate with n names.
func manyNames(t testing.TB, n int) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "many"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for i := range n {
		template.DNSNames = append(template.DNSNames, fmt.Sprintf("a-name-that-is-not-short-%d", i))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// writePEM writes a certificate and its key into one file.
func writePEM(t testing.TB, c tls.Certificate) (file string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	file = filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
