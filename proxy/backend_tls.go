package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/internal/tlsclient"
)

// BackendTLS configures TLS to a backend, for sessions and checks. The zero value
// verifies the backend's certificate with the system's CAs, for the host of its
// address. Files are read when the engine starts and again when they change; if a
// file cannot be read then, its previous contents stay in force, with a warning.
type BackendTLS struct {
	Name     string `json:"name,omitempty"`     // name in the certificate and SNI; "": the host of the address
	Insecure bool   `json:"insecure,omitempty"` // do not verify the certificate
	CA       string `json:"ca,omitempty"`       // file with the trusted CAs, in PEM; "": the system's
	Cert     string `json:"cert,omitempty"`     // file with the client certificate, in PEM; "": none
	Key      string `json:"key,omitempty"`      // file with the private key of Cert
}

// Load reads the files. The error is a *ValueError whose key is that of the bad
// file.
func (t *BackendTLS) Load() error {
	err := tlsclient.New(tlsclient.Config(*t), nil).Load()
	if file, ok := errors.AsType[*tlsclient.FileError](err); ok {
		return &ValueError{Key: file.Key, Text: file.Err.Error(), Hint: "give a file in PEM that this user may read"}
	}
	return err
}

// validateTLS checks what can be checked without the files.
func (c *BackendConfig) validateTLS(v *values) {
	t := c.TLS
	if t == nil {
		return
	}
	if t.Name != "" && net.ParseIP(t.Name) == nil && !isServerName(canonicalName(t.Name)) {
		v.wrong("tls_name", `write the name in its certificate, such as "db.example.com"`, "tls_name %q is not a server name", t.Name)
	}
	switch {
	case t.Cert == "" && t.Key != "":
		v.wrong("tls_cert", "give the certificate's file, too", "tls_key without tls_cert")
	case t.Cert != "" && t.Key == "":
		v.wrong("tls_key", "give the key's file, too", "tls_cert without tls_key")
	}
}

// parseTLS reads a word of ParseBackend if it is about TLS.
func (c *BackendConfig) parseTLS(key, value string) (known bool, err error) {
	t := BackendTLS{}
	if c.TLS != nil {
		t = *c.TLS
	}
	switch key {
	case "tls":
		if value != "verify" && value != "noverify" {
			return true, fmt.Errorf("tls=%q is not known; use verify or noverify", value)
		}
		t.Insecure = value == "noverify"
	case "tls_name":
		t.Name = value
	case "ca":
		t.CA = value
	case "tls_cert":
		t.Cert = value
	case "tls_key":
		t.Key = value
	default:
		return false, nil
	}
	c.TLS = &t
	return true, nil
}

// loadTLS reads the files of all backends: a configuration with an unreadable one is
// refused.
func loadTLS(services ...ServiceConfig) error {
	for i := range services {
		for _, b := range services[i].Backends {
			if b.TLS == nil {
				continue
			}
			if err := b.TLS.Load(); err != nil {
				return fmt.Errorf("proxy: service %q: backend %q: %w", services[i].Name, b.Name, err)
			}
		}
	}
	return nil
}

// setTLSLocked turns TLS with the backend on or off as configured.
func (b *Backend) setTLSLocked(c *BackendTLS) {
	if c == nil {
		b.tls.Store(nil)
		return
	}
	spec := tlsclient.Config(*c)
	if host, _, err := net.SplitHostPort(b.addr); spec.Name == "" && err == nil {
		spec.Name = host
	}
	spec.Name = cmp.Or(spec.Name, "localhost") // a path is not a name
	b.tls.Store(tlsclient.New(spec, func(err error) {
		b.service.engine.noteThrottledAs("tls "+b.target(), Event{Kind: EventService, Level: LevelWarn, Service: b.service.name, Backend: b.name,
			Text: fmt.Sprintf("%s: a changed file cannot be used, and the old one stays in force: %v", b.target(), err)})
	}))
}

// reloadTLSLocked applies a changed configuration.
func (b *Backend) reloadTLSLocked(was, now *BackendTLS) {
	if !reflect.DeepEqual(was, now) {
		b.setTLSLocked(now)
		b.checks.Request()
	}
}

// secured returns the function that starts TLS on the backend's connections, after a
// header in the clear like HAProxy's send-proxy; nil: no TLS. A check verifies the
// certificate each time.
func (b *Backend) secured(header []byte, isCheck bool) func(context.Context, net.Conn) (net.Conn, error) {
	client := b.tls.Load()
	if client == nil {
		return nil
	}
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		if len(header) > 0 {
			if until, ok := ctx.Deadline(); ok {
				conn.SetWriteDeadline(until)
				defer conn.SetWriteDeadline(time.Time{}) // the session writes to it, too
			}
			if _, err := conn.Write(header); err != nil {
				return nil, err
			}
		}
		return client.Handshake(ctx, conn, !isCheck)
	}
}

// dialReason returns the reason of a failed dial.
func dialReason(err error) Reason {
	if e, ok := errors.AsType[*tlsclient.Error](err); ok {
		return e.Reason
	}
	return ReasonConnect
}

// checkReason returns the reason of a failed check.
func (b *Backend) checkReason(r health.Result) Reason {
	op, isDial := errors.AsType[*net.OpError](r.Err)
	reason := dialReason(r.Err)
	switch {
	case r.Err == nil:
		return ReasonAnswer
	case reason != ReasonConnect || isDial && op.Op == "dial":
		return reason
	case errors.Is(r.Err, context.DeadlineExceeded), errors.Is(r.Err, os.ErrDeadlineExceeded):
		return ReasonTimeout
	case b.service.config().Check.Type == checkExec:
		return ReasonCommand
	case errors.Is(r.Err, io.EOF), errors.Is(r.Err, io.ErrUnexpectedEOF), errors.Is(r.Err, syscall.ECONNRESET), errors.Is(r.Err, syscall.EPIPE):
		return ReasonReset
	}
	return ReasonConnect
}

// clientTLSReason returns why a TLS handshake with a client has failed.
func clientTLSReason(err error) Reason {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return ReasonAbandoned
	}
	return tlsclient.ReasonOf(err)
}

// tlsFailedLocked counts a failed TLS handshake.
func (st *serviceStats) tlsFailedLocked(side string, r Reason) {
	if st.tlsFailures == nil {
		st.tlsFailures = map[TLSFailure]int64{}
	}
	st.tlsFailures[TLSFailure{Side: side, Reason: r}]++
}
