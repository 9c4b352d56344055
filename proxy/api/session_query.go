package api

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// filter returns a predicate for the query, and refuses unknown names.
func (q SessionQuery) filter(e *proxy.Engine) (func(*proxy.SessionInfo) bool, error) {
	var prefix netip.Prefix
	if q.Client != "" {
		p, err := netip.ParsePrefix(q.Client)
		if err != nil {
			a, aerr := netip.ParseAddr(q.Client)
			if aerr != nil {
				return nil, Wrong(fmt.Sprintf("client %q is neither an address nor a CIDR", q.Client), "write it like 10.2.0.9 or 10.0.0.0/8")
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		prefix = p.Masked()
	}
	if q.Service != "" {
		if _, err := FindService(e, q.Service); err != nil {
			return nil, err
		}
	}
	if q.Backend != "" && !hasBackend(e, q.Service, q.Backend) {
		hint := "tcpctl status lists them"
		if service, name := SplitTarget(q.Backend); q.Service == "" && service != "" && hasBackend(e, service, name) {
			hint = fmt.Sprintf("give the two separately: --service %s --backend %s", service, name)
		}
		return nil, Unknown(fmt.Sprintf("there is no backend %q", q.Backend), hint)
	}
	return func(s *proxy.SessionInfo) bool {
		if q.Service != "" && s.Service != q.Service || q.Backend != "" && s.Backend != q.Backend {
			return false
		}
		if s.AgeSeconds < q.OlderThan.Seconds() {
			return false
		}
		if prefix.IsValid() {
			ap, err := netip.ParseAddrPort(s.Client)
			return err == nil && prefix.Contains(ap.Addr().Unmap())
		}
		return true
	}, nil
}

// SessionQuery filters a list of sessions; zero fields do not filter.
type SessionQuery struct {
	Service   string
	Backend   string
	Client    string // address or CIDR
	OlderThan time.Duration
	Ended     bool // recently ended sessions, too
	Limit     int  // most sessions to return; 0: no limit
}
