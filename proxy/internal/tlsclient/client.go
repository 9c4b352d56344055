// Package tlsclient speaks TLS as a client, to the backends of a service: with
// certificates from files that are read again when they change, and with errors
// that say by a fixed word what is wrong.
package tlsclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// Config is how a backend is spoken to. It has nothing but plain values, so that
// two can be compared.
type Config struct {
	Name     string // that its certificate must be for, and that it is asked for (SNI)
	Insecure bool   // its certificate is not verified
	CA       string // file of the CAs that may have signed it; "": the system's
	Cert     string // file of the certificate that the backend gets; "": none
	Key      string // file of that one's key
}

// FileError says which of the files cannot be used.
type FileError struct {
	Key string // ca, tls_cert or tls_key
	Err error
}

func (e *FileError) Error() string { return e.Key + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Lack says that it is this process's trouble.
func (e *FileError) Lack() relay.Lack { return relay.LackFiles }

// Client speaks TLS to one backend. Make one with New. It may be used from any
// goroutine; its methods read files.
type Client struct {
	config Config
	warn   func(error)

	mu      sync.Mutex
	current *tls.Config // nil: the files have not been read
	checked time.Time
	stamps  [3]stamp
}

// New makes a client. Its files are read by Load, or when they are first needed,
// and again when they have changed: if they cannot be read then, warn is called,
// and what they had before stays in force.
func New(c Config, warn func(error)) *Client { return &Client{config: c, warn: warn} }

// Load reads the files now. The error is a *FileError.
func (c *Client) Load() error {
	_, err := c.tls()
	return err
}

// statInterval is the least time between two checks of the files.
const statInterval = time.Second

// stamp changes when a file does.
type stamp struct {
	changed time.Time
	size    int64
}

// tls returns the current configuration.
func (c *Client) tls() (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && time.Since(c.checked) < statInterval {
		return c.current, nil
	}
	stamps := c.stat()
	c.checked = time.Now()
	if c.current != nil && stamps == c.stamps {
		return c.current, nil
	}
	c.stamps = stamps
	read, err := c.config.read()
	switch {
	case err == nil:
		c.current = read
	case c.current == nil:
		return nil, err
	default:
		c.warn(err)
	}
	return c.current, nil
}

func (c *Client) stat() (all [3]stamp) {
	for i, name := range []string{c.config.CA, c.config.Cert, c.config.Key} {
		if info, err := os.Stat(name); name != "" && err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// read reads the files.
func (c Config) read() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.Name, InsecureSkipVerify: c.Insecure, ClientSessionCache: tls.NewLRUClientSessionCache(16)}
	if c.CA != "" {
		text, err := readFile(c.CA)
		if err != nil {
			return nil, &FileError{"ca", err}
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, &FileError{"ca", fmt.Errorf("%s has no certificate in PEM", c.CA)}
		}
	}
	if c.Cert == "" {
		return t, nil
	}
	chain, err := readFile(c.Cert)
	if err != nil {
		return nil, &FileError{"tls_cert", err}
	}
	key, err := readFile(c.Key)
	if err != nil {
		return nil, &FileError{"tls_key", err}
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, &FileError{"tls_cert", fmt.Errorf("%s with the key in %s: %w", c.Cert, c.Key, err)}
	}
	t.Certificates = []tls.Certificate{pair}
	return t, nil
}

// readFile refuses a pipe: opening one waits for its writer, and every session with it.
func readFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.ReadFile(path)
}

// Handshake makes a connection one of TLS; ctx bounds it. It resumes an earlier
// one where the backend lets it, unless the certificate is to be seen, as by a
// check. After an error, which is an *Error, or a *FileError that is no fault of
// the backend, conn is the caller's to close.
func (c *Client) Handshake(ctx context.Context, conn net.Conn, resume bool) (net.Conn, error) {
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	if !resume {
		config = config.Clone()
		config.ClientSessionCache = nil
	}
	over, err := relay.TLSClient(ctx, conn, config)
	if err != nil {
		return nil, explain(err, c.config.Name)
	}
	return over, nil
}
