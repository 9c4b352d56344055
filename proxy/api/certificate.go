package api

import (
	"fmt"
	"time"
)

// CertificateInfo is a TLS certificate that clients are given now. That can be
// another one than is in File, where that has changed and cannot be read.
type CertificateInfo struct {
	Name     string    `json:"name"` // of the service whose clients are given it
	File     string    `json:"file"`
	NotAfter time.Time `json:"not_after"` // the last moment at which it is valid
}

// CertificateNear is how long before its end a certificate is near it.
const CertificateNear = 14 * 24 * time.Hour

// Expired reports whether a certificate is valid no more.
func (c *CertificateInfo) Expired(now time.Time) bool { return now.After(c.NotAfter) }

// Near reports whether a certificate has expired or soon does.
func (c *CertificateInfo) Near(now time.Time) bool { return c.NotAfter.Sub(now) < CertificateNear }

// Text is a sentence on a certificate that is near its end; "" where it is not.
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
