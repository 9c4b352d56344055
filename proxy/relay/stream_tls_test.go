package relay

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// crumbs is a connection that returns a few bytes at a time, and timeouts in between.
type crumbs struct{ net.Conn }

func (c crumbs) Read(p []byte) (int, error) {
	if rand.IntN(4) == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Read(p[:min(len(p), 1+rand.IntN(3))])
}

// TestRecordsInCrumbs: however records are split and reads interrupted, the data
// arrives, and so does how the stream ended.
func TestRecordsInCrumbs(t *testing.T) {
	t.Parallel()
	public, key, _ := ed25519.GenerateKey(nil)
	der, err := x509.CreateCertificate(nil, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for name, want := range map[string]error{"close_notify": io.EOF, "FIN": ErrTLSTruncated} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			client := tls.Client(theirs, &tls.Config{InsecureSkipVerify: true})
			var sent bytes.Buffer
			go func() {
				for _, n := range []int{1, 20000, 0, 16384, 5, 100} {
					b := bytes.Repeat([]byte{byte(n)}, n)
					sent.Write(b)
					client.Write(b)
				}
				if name == "FIN" {
					theirs.Close()
					return
				}
				client.Close()
			}()
			s, _, err := TLSServer(ours, &tls.Config{Certificates: []tls.Certificate{*cert}}, time.Minute, true)
			if err != nil {
				t.Fatal(err)
			}
			c := &tlsConn{Conn: crumbs{ours}, tls: s, plain: s.early}
			var got bytes.Buffer
			for {
				b := make([]byte, 1+rand.IntN(20000))
				var n int
				n, err = c.Read(b)
				got.Write(b[:n])
				if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
			}
			if err != want || !bytes.Equal(got.Bytes(), sent.Bytes()) {
				t.Errorf("%d of %d bytes, then %v", got.Len(), sent.Len(), err)
			}
		})
	}
}
