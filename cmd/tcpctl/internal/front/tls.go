// Package front is what stands in front of a service: TLS from clients, and
// WebSocket.
package front

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// TLS makes the configuration for clients of a service, 1.2 at least. The
// files are read now, and again when they change: a certificate that is
// replaced on disk serves the next handshake, one that cannot be read is told
// of, and the old one serves on. A clientCA asks clients for certificates
// that it has signed; "" asks for none.
func TLS(cert, key, clientCA string, log *slog.Logger) (*tls.Config, error) {
	k := &keeper{cert: cert, key: key, ca: clientCA, log: log}
	if err := k.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: k.forClient}, nil
}

// lookEvery is how often files are looked at, at most.
const lookEvery = time.Second

// keeper keeps what was read of the files, and when.
type keeper struct {
	cert, key, ca string
	log           *slog.Logger

	mu     sync.Mutex
	now    *tls.Config
	looked time.Time
	stamp  [3]stamp
}

// stamp tells whether a file is still the same.
type stamp struct {
	changed time.Time
	size    int64
}

func (k *keeper) forClient(*tls.ClientHelloInfo) (*tls.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.looked) >= lookEvery && k.stamps() != k.stamp {
		if err := k.readLocked(); err != nil {
			k.log.Warn("the certificate cannot be read again, the old one serves on: " + err.Error())
		} else {
			k.log.Info("the certificate was read again", "cert", k.cert)
		}
	}
	return k.now, nil
}

func (k *keeper) read() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.readLocked()
}

func (k *keeper) readLocked() error {
	k.looked, k.stamp = time.Now(), k.stamps()
	pair, err := loadPair(k.cert, k.key)
	if err != nil {
		return err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if k.ca != "" {
		text, err := os.ReadFile(k.ca)
		if err != nil {
			return &PartError{Key: "tls.client_ca", Err: err}
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(text) {
			return &PartError{Key: "tls.client_ca", Err: fmt.Errorf("%s has no certificate in PEM", k.ca)}
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	k.now = c
	return nil
}

// loadPair reads a certificate with its key, and says which of the two is
// wrong: the certificate alone, else the key, else that they do not match.
func loadPair(cert, key string) (pair tls.Certificate, err error) {
	chain, err := os.ReadFile(cert)
	if err != nil {
		return pair, &PartError{Key: "tls.cert", Err: err}
	}
	secret, err := os.ReadFile(key)
	if err != nil {
		return pair, &PartError{Key: "tls.key", Err: err}
	}
	if pair, err = tls.X509KeyPair(chain, secret); err == nil {
		return pair, nil
	}
	text := strings.TrimPrefix(err.Error(), "tls: ")
	if !parses(chain) {
		return pair, &PartError{Key: "tls.cert", Hint: "write the file of the certificate and its chain, in PEM", Err: fmt.Errorf("%s: %s", cert, text)}
	}
	return pair, &PartError{Key: "tls.key", Hint: "write the file of that certificate's key, in PEM", Err: fmt.Errorf("%s with the certificate of %s: %s", key, cert, text)}
}

// parses says whether the first certificate of a file can be read.
func parses(chain []byte) bool {
	for {
		block, rest := pem.Decode(chain)
		if block == nil {
			return false
		}
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err == nil
		}
		chain = rest
	}
}

func (k *keeper) stamps() (all [3]stamp) {
	k.looked = time.Now()
	for i, name := range []string{k.cert, k.key, k.ca} {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}
