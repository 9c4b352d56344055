package importer

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// accessRules are rules about the addresses of clients. In haproxy and nginx the first that matches decides. In
// tcpctl denials decide first, and a list of addresses that are allowed keeps all others out.
type accessRules struct {
	accepted, denied []clients
	within           []clients // if bounded: no rule has decided about those, and all others are rejected
	bounded          bool
	decided          bool // by a rule for all clients, after which no other matters
}

// clients are those of a network, or of a file of networks.
type clients struct {
	net  netip.Prefix
	file string
}

const (
	oneList = "a service has one list of addresses that are allowed, and none within it: fewer clients are admitted"
	oneFile = "a service has one allow_file and one deny_file: put the addresses into one"
)

// accept accepts clients. It returns how tcpctl's decision differs, if it does.
func (a *accessRules) accept(of []clients) (reason string) {
	if a.decided {
		return ""
	}
	if a.bounded {
		of, reason = both(a.within, of)
	}
	a.accepted = append(a.accepted, of...)
	return a.lists(reason)
}

// keep rejects all clients but these. The rules after it decide about these.
func (a *accessRules) keep(of []clients) (reason string) {
	if a.decided {
		return ""
	}
	if a.bounded {
		of, reason = both(a.within, of)
	}
	a.bounded, a.within = true, of
	return a.lists(reason)
}

// reject rejects clients.
func (a *accessRules) reject(of []clients) (reason string) {
	if a.decided {
		return ""
	}
	for _, was := range a.accepted {
		if slices.ContainsFunc(of, was.overlaps) {
			reason = "it denies clients that a rule before it allows, too: in tcpctl, denials decide first"
		}
	}
	a.denied = append(a.denied, of...)
	return a.lists(reason)
}

// all adds a rule for all clients.
func (a *accessRules) all(allow bool) {
	if !a.decided && !allow {
		a.bounded, a.within = true, nil
	}
	a.decided = true
}

// next begins another set of rules, which decide about the clients that those before have admitted.
func (a *accessRules) next() {
	a.accepted, a.within = nil, a.allowed()
	a.decided = false
}

// allowed returns the clients that are admitted, if bounded.
func (a *accessRules) allowed() []clients {
	if !a.bounded {
		return nil
	}
	return slices.Concat(a.accepted, a.within)
}

// lists keeps one file in each list.
func (a *accessRules) lists(reason string) string {
	for _, lists := range [][]*[]clients{{&a.accepted, &a.within}, {&a.denied}} {
		one := ""
		for _, list := range lists {
			*list = slices.DeleteFunc(*list, func(c clients) bool {
				if one == "" {
					one = c.file
				}
				if c.file != "" && c.file != one {
					reason = oneFile
				}
				return c.file != "" && c.file != one
			})
		}
	}
	return reason
}

// both returns the clients that are in one of each list. Where a file is involved, only the file knows.
func both(one, two []clients) (all []clients, reason string) {
	for _, a := range one {
		for _, b := range two {
			switch {
			case a == b:
				all = append(all, a)
			case a.file != "" || b.file != "":
				reason = oneList
			case a.overlaps(b) && a.net.Bits() >= b.net.Bits():
				all = append(all, a)
			case a.overlaps(b):
				all = append(all, b)
			}
		}
	}
	return all, reason
}

func (c clients) overlaps(other clients) bool {
	return c.file != "" || other.file != "" || c.net.Overlaps(other.net) // a file may have any
}

// network parses an address or a network. Unlike the configuration, haproxy and nginx ignore the bits of
// the host, and haproxy has dotted masks, too.
func network(text string) (clients, error) {
	addr, mask, _ := strings.Cut(text, "/")
	if m, err := netip.ParseAddr(mask); err == nil {
		if ones, size := net.IPMask(m.AsSlice()).Size(); size > 0 {
			text = addr + "/" + strconv.Itoa(ones)
		}
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		text = p.Masked().String()
	}
	p, err := proxy.ParseNetwork(text)
	return clients{net: p}, err
}

var everybody = []string{"0.0.0.0/0", "::/0"}

// String returns a network as it is written in the configuration.
func (c clients) String() string {
	if c.net.IsSingleIP() {
		return c.net.Addr().String()
	}
	return c.net.String()
}

// set sets the keys of a service.
func (a *accessRules) set(keys *table) {
	for _, l := range []struct {
		name string
		of   []clients
	}{{"allow", a.allowed()}, {"deny", a.denied}} {
		var addrs []string
		file := ""
		for _, c := range l.of {
			if c.file != "" {
				file = c.file
			} else if !slices.Contains(addrs, c.String()) {
				addrs = append(addrs, c.String())
			}
		}
		if l.name == "deny" && a.bounded && len(a.allowed()) == 0 {
			addrs = everybody
		}
		setIf(keys, l.name, len(addrs) > 0, array(addrs))
		setIf(keys, l.name+"_file", file != "", quote(file))
	}
}
