package config

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// claim is one address that something in the file listens on.
type claim struct {
	proxy.Address
	addr, at, owner string // at: the path of its key
	shares          bool   // it can share the address with others that can
	ws              bool
	tls             *TLS // TLS before the request, the same in all services that share the address by ws
}

// checkListen finds addresses that are used twice, including by a wildcard address. Whether
// services can share an address that each allows to share is up to the engine.
func (f *File) checkListen(r *report) {
	all := []claim{}
	add := func(addr, at, owner string, shares bool) {
		if e, text, _ := parseEndpoint(addr, true); text == "" {
			all = append(all, claim{Address: e, addr: addr, at: at, owner: owner, shares: shares})
		}
	}
	if f.Control.Socket != "" {
		add("unix:"+f.Control.Socket, "control.socket", "[control]", false)
	}
	if f.Metrics.Listen != "" {
		add(f.Metrics.Listen, "metrics.listen", "[metrics]", false)
	}
	if f.Console.SSH.Listen != "" {
		add(f.Console.SSH.Listen, "console.ssh.listen", "[console.ssh]", false)
	}
	for _, s := range f.Services {
		for i, a := range s.Listen {
			path := join("services", s.Name)
			add(a, fmt.Sprintf("%s.listen[%d]", path, i), "["+path+"]", len(s.SNI) > 0 || s.WS.hasOwn())
			if n := len(all); n > 0 && len(s.SNI) == 0 && s.WS != nil {
				all[n-1].ws, all[n-1].tls = true, s.TLS
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return r.lines.find(all[i].at).compare(r.lines.find(all[j].at)) < 0 })
	earlier := map[proxy.Address][]claim{} // by path or port
	for _, c := range all {
		where := proxy.Address{Path: c.Path, Port: c.Port}
		for _, o := range earlier[where] {
			if c.Overlaps(o.Address) && c.collides(r, o) {
				break
			}
		}
		earlier[where] = append(earlier[where], c)
	}
}

// collides reports an overlap of two addresses, if there is one.
func (c claim) collides(r *report, o claim) bool {
	if c.shares && o.shares && c.owner != o.owner {
		return c.differsInTLS(r, o)
	}
	hint := "choose another port or address"
	switch {
	case c.owner == o.owner:
	case c.ws && o.ws:
		hint += ", or give each service there hosts or a path of its own in ws"
	case c.shares || o.shares:
		hint += ", or give each service there a sni"
	}
	r.wrong(c.at, hint, "%s %q is taken by %q of %s in line %d", last(c.at), c.addr, o.addr, o.owner, r.lines.find(o.at).line)
	return true
}

// differsInTLS reports an error if two services that share an address by their requests have
// different TLS, which comes before the request.
func (c claim) differsInTLS(r *report, o claim) bool {
	if !c.ws || !o.ws || reflect.DeepEqual(c.tls, o.tls) {
		return false
	}
	r.wrong(strings.TrimSuffix(c.at[:strings.LastIndex(c.at, ".listen")], ".")+".tls", "write the same tls in both: it is taken off before the client says which of them it is for",
		"it shares %q with %s in line %d, whose tls is another", c.addr, o.owner, r.lines.find(o.at).line)
	return true
}
