// Package protocol has the protocols of a service's clients besides plain TCP: TLS
// and WebSocket, made from the configuration.
package protocol

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/filewatch"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TLS makes the TLS configuration for clients of a service, 1.2 at least. The
// files are read now, and again when they change: a certificate that is
// replaced on disk serves the next handshake; where it cannot be read, log has
// a warning, and the old one serves on. With a clientCA, clients need a
// certificate signed by it; "" asks for none.
//
// As long as a configuration of the same files is in use, it is that one: a reload
// of the program keeps the keys of session tickets, so that clients can resume.
func TLS(cert, key, clientCA string, log *slog.Logger) (*tls.Config, error) {
	inUse.Lock()
	defer inUse.Unlock()
	files := [3]string{cert, key, clientCA}
	k := inUse.all[files].Value()
	if k == nil {
		k = &certificates{cert: cert, key: key, ca: clientCA}
		k.config = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: k.forClient}
	}
	if err := k.read(log); err != nil {
		return nil, err
	}
	maps.DeleteFunc(inUse.all, func(_ [3]string, w weak.Pointer[certificates]) bool { return w.Value() == nil })
	inUse.all[files] = weak.Make(k)
	return k.config, nil
}

// inUse holds the certificates of configurations in use, by their files.
var inUse = struct {
	sync.Mutex
	all map[[3]string]weak.Pointer[certificates]
}{all: map[[3]string]weak.Pointer[certificates]{}}

// statInterval is the least time between two checks of the files.
const statInterval = time.Second

// certificates holds what was read from the files, and when.
type certificates struct {
	cert, key, ca string
	config        *tls.Config // contains them

	mu      sync.Mutex
	log     *slog.Logger
	current *tls.Config
	checked time.Time
	stamp   [3]filewatch.Stamp
	failed  string // why a changed certificate could not be read; "": it could
}

// Certificates is what the clients of services are given now, in their order; a
// service without TLS has none.
func Certificates(services []proxy.ServiceConfig) (list []api.CertificateInfo) {
	for i := range services {
		if c := services[i].TLS; c != nil && c.GetConfigForClient != nil {
			q := &question{}
			if _, err := c.GetConfigForClient(&tls.ClientHelloInfo{Conn: q}); err == nil && q.answer.File != "" {
				q.answer.Name = services[i].Name
				list = append(list, q.answer)
			}
		}
	}
	return list
}

// question is a net.Conn without a client. It is passed to a TLS configuration as a client's would
// be, so that changed files are read, and returns what the configuration itself cannot tell: the
// file of the certificate.
type question struct {
	net.Conn
	answer api.CertificateInfo
}

func (k *certificates) forClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.checked) >= statInterval && k.changedLocked() {
		err := k.readLocked()
		switch {
		case err == nil:
			k.log.Info("read a changed certificate", "cert", k.cert)
		case err.Error() != k.failed:
			k.failed = err.Error()
			k.log.Warn("a changed certificate cannot be read; the old one serves on: " + k.failed)
		}
	}
	if q, ok := hello.Conn.(*question); ok {
		q.answer = api.CertificateInfo{File: k.cert, NotAfter: k.current.Certificates[0].Leaf.NotAfter}
	}
	return k.current, nil
}

func (k *certificates) read(log *slog.Logger) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.readLocked(); err != nil {
		return err
	}
	k.log = log
	return nil
}

func (k *certificates) readLocked() (err error) {
	k.changedLocked()
	defer func() {
		for i := range k.stamp {
			k.stamp[i].Failed(err)
		}
	}()
	pair, err := loadPair(k.cert, k.key)
	if err != nil {
		return err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if k.ca != "" {
		text, err := fileerror.Read(k.ca, maxFile)
		if err != nil {
			return &PartError{Key: "tls.client_ca", Err: err}
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(text) {
			return &PartError{Key: "tls.client_ca", Err: noCertificate(k.ca)}
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	k.current, k.failed = c, ""
	return nil
}

// maxFile bounds a file of this package, in bytes.
const maxFile = 4 << 20

func noCertificate(path string) error {
	return &fileerror.Error{File: path, Text: "it has no certificate in PEM", Hint: "name the file of the CAs that sign the certificates"}
}

// loadPair reads a certificate and its key. Its error says what is wrong: the certificate, the key,
// or that they do not match.
func loadPair(cert, key string) (pair tls.Certificate, err error) {
	chain, err := fileerror.Read(cert, maxFile)
	if err != nil {
		return pair, &PartError{Key: "tls.cert", Err: err}
	}
	secret, err := fileerror.Read(key, maxFile)
	if err != nil {
		return pair, &PartError{Key: "tls.key", Err: err}
	}
	if pair, err = tls.X509KeyPair(chain, secret); err == nil {
		return pair, nil
	}
	text := strings.TrimPrefix(err.Error(), "tls: ")
	if !parses(chain) {
		return pair, &PartError{Key: "tls.cert", Hint: "give the file of the certificate and its chain, in PEM", Err: fmt.Errorf("%s: %s", cert, text)}
	}
	return pair, &PartError{Key: "tls.key", Hint: "give the file of this certificate's key, in PEM", Err: fmt.Errorf("%s with the certificate in %s: %s", key, cert, text)}
}

// parses reports whether the first certificate of a file can be read.
func parses(chain []byte) bool {
	for {
		block, remaining := pem.Decode(chain)
		if block == nil {
			return false
		}
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err == nil
		}
		chain = remaining
	}
}

// changedLocked reports whether a file has changed since the last call.
func (k *certificates) changedLocked() (changed bool) {
	k.checked = time.Now()
	for i, name := range []string{k.cert, k.key, k.ca} {
		changed = name != "" && k.stamp[i].Changed(name) || changed
	}
	return changed
}
