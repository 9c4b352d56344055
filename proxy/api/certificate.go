package api

import (
	"fmt"
	"time"
)

// CertificateInfo is a TLS certificate that clients get now. It differs from the
// one in File if that has changed and cannot be read.
type CertificateInfo struct {
	Name     string    `json:"name"` // name of the service whose clients get it
	File     string    `json:"file"`
	NotAfter time.Time `json:"not_after"` // end of its validity
}

// CertificateNear is how long before its end a certificate expires soon.
const CertificateNear = 14 * 24 * time.Hour

// Expired reports whether the certificate has expired.
func (c *CertificateInfo) Expired(now time.Time) bool { return now.After(c.NotAfter) }

// Near reports whether the certificate has expired or will soon.
func (c *CertificateInfo) Near(now time.Time) bool { return c.NotAfter.Sub(now) < CertificateNear }

// Text returns a sentence about a certificate that expires soon; "" for others.
func (c *CertificateInfo) Text(now time.Time) string {
	switch at := c.NotAfter.Local().Format("2006-01-02 15:04"); {
	case c.Expired(now):
		return fmt.Sprintf("! certificate %s expired at %s: renew it in place, it is read without a reload", c.File, at)
	case c.Near(now):
		return fmt.Sprintf("~ certificate %s expires in %s, at %s: renew it in place, it is read without a reload", c.File, days(c.NotAfter.Sub(now)), at)
	}
	return ""
}

func days(d time.Duration) string {
	switch n := int(d / (24 * time.Hour)); {
	case n > 1:
		return fmt.Sprintf("%d days", n)
	case d >= time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}
