package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// ClientList is a list of networks that is kept outside the configuration, such
// as in a file. It may change at any time, for clients that connect afterwards.
// Its methods are called on the data path and with locks held: they must not
// block or call the engine.
type ClientList interface {
	Covers(netip.Addr) bool
	Info() ClientListInfo
}

// ClientListInfo is a ClientList at one moment.
type ClientListInfo struct {
	File     string     `json:"file"`
	Networks int        `json:"networks"`          // networks in force
	At       time.Time  `json:"at"`                // when the list was read
	Error    string     `json:"error,omitempty"`   // why the file cannot be read now: file, line and what to do
	Failing  *time.Time `json:"failing,omitempty"` // when it began to fail
}

// Text describes the list for people; key is its key in the configuration.
func (i *ClientListInfo) Text(key string) string {
	if i.Error != "" {
		return fmt.Sprintf("! %s: %s; %s stay in force", key, i.Error, text.Plural(i.Networks, "network"))
	}
	return fmt.Sprintf("%s: %s from %s", key, text.Plural(i.Networks, "network"), i.File)
}

// allows reports whether a client may connect by its address. Deny wins over allow.
func (c *ServiceConfig) allows(client netip.Addr) bool {
	switch {
	case covers(c.Deny, client), c.DenyList != nil && c.DenyList.Covers(client):
		return false
	case len(c.Allow) == 0 && c.AllowList == nil:
		return true
	}
	return covers(c.Allow, client) || c.AllowList != nil && c.AllowList.Covers(client)
}

// covers reports whether one of the networks contains the address. None of them is
// IPv4-mapped.
func covers(all []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("") // no network has an address with a zone
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ParseNetwork parses a network like "10.0.0.0/8", or one address. An IPv4-mapped
// network becomes one of IPv4. The error is a *ValueError.
func ParseNetwork(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, &ValueError{Text: strconv.Quote(s) + " is not a network", Hint: `write "10.0.0.0/8", "fd00::/8" or an address`}
	}
	if net := p.Masked(); net != p {
		one := netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
		return p, &ValueError{Text: strconv.Quote(s) + " is an address within a network", Hint: fmt.Sprintf("write %q for the network, or %q for the address", net, one.Addr())}
	}
	return unmapNetwork(p), nil
}

// unmapNetwork turns a network of IPv4-mapped addresses into one of IPv4, like
// addresses of clients.
func unmapNetwork(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

func unmapNetworks(all []netip.Prefix) []netip.Prefix {
	if all == nil {
		return nil
	}
	plain := make([]netip.Prefix, len(all))
	for i, p := range all {
		plain[i] = unmapNetwork(p)
	}
	return plain
}

func listInfo(l ClientList) *ClientListInfo {
	if l == nil {
		return nil
	}
	i := l.Info()
	return &i
}
