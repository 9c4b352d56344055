package tlsclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/lock"
)

// Why a handshake with a backend failed.
const (
	UnknownCA lock.Reason = "tls_unknown_ca" // its certificate is signed by another CA than those that are trusted
	WrongName lock.Reason = "tls_wrong_name" // its certificate is for another name
	Expired   lock.Reason = "tls_expired"    // its certificate is not valid any more, or not yet
	NotTLS    lock.Reason = "not_tls"        // what it answers is no TLS
	Timeout   lock.Reason = "tls_timeout"    // it has not answered in time
	Alert     lock.Reason = "tls_alert"      // it has refused, and said why
	Other     lock.Reason = "tls"
)

// Error says why a handshake with a backend failed.
type Error struct {
	Reason lock.Reason
	Text   string // for people, in a few words
	Err    error
}

func (e *Error) Error() string { return "TLS: " + e.Text }
func (e *Error) Unwrap() error { return e.Err }

// Explain is the error in a few words.
func (e *Error) Explain() string { return e.Error() }

// ReasonOf is why a TLS handshake has failed, with either side.
func ReasonOf(err error) lock.Reason { return explain(err, "").(*Error).Reason }

// explain classifies an error of crypto/tls; name is the name that the certificate had
// to be for.
func explain(err error, name string) error {
	e := &Error{Reason: Other, Text: strings.TrimPrefix(err.Error(), "tls: "), Err: err}
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &record):
		e.Reason, e.Text = NotTLS, fmt.Sprintf("it speaks no TLS: its answer begins with %q", record.RecordHeader[:])
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		e.Reason, e.Text = Timeout, "handshake timed out"
	case errors.As(err, &op) && op.Op == "remote error":
		e.Reason, e.Text = Alert, "it refuses: "+strings.TrimPrefix(op.Err.Error(), "tls: ")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Text = "closed in the handshake: it may speak no TLS"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		e.Text = "reset in the handshake: it may speak no TLS"
	default:
		e.certificate(name)
	}
	return e
}

// certificate classifies an error of the backend's certificate.
func (e *Error) certificate(name string) {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(e.Err, &host):
		e.Reason, e.Text = WrongName, fmt.Sprintf("its certificate is for %s, not for %s", namesOf(host.Certificate), name)
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		e.Reason, e.Text = Expired, "its certificate expired on "+invalid.Cert.NotAfter.UTC().Format(time.DateOnly)
		if time.Now().Before(invalid.Cert.NotBefore) {
			e.Text = "its certificate is not valid before " + invalid.Cert.NotBefore.UTC().Format(time.DateTime) + " UTC"
		}
	case errors.As(e.Err, &authority):
		e.Reason, e.Text = UnknownCA, "its certificate is signed by an unknown CA"
		if authority.Cert != nil && authority.Cert.Issuer.CommonName != "" {
			e.Text += fmt.Sprintf(" (%.60q)", authority.Cert.Issuer.CommonName)
		}
	}
}

// namesOf returns some of the names that a certificate is for.
func namesOf(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name"
	case len(names) > 3:
		return strings.Join(names[:3], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
