package config

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// claim is one address that something in the file wants to listen on.
type claim struct {
	proxy.Address
	addr, at, owner string // at: the path of its key
	shares          bool   // with services that do so, too
	ws              bool
	tls             *TLS // which those that share it by ws take off before the request
}

// checkListen finds addresses that are wanted twice, also by way of one that
// stands for all of a port. Whether services can share one that each want to
// share is the engine's to say.
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

// collides says how two addresses overlap, if they do.
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

// differsInTLS says whether two services that share an address by their requests
// cannot: what comes before the request must be the same.
func (c claim) differsInTLS(r *report, o claim) bool {
	if !c.ws || !o.ws || reflect.DeepEqual(c.tls, o.tls) {
		return false
	}
	r.wrong(strings.TrimSuffix(c.at[:strings.LastIndex(c.at, ".listen")], ".")+".tls", "write the same tls in both: it is taken off before the client says which of them it is for",
		"it shares %q with %s in line %d, whose tls is another", c.addr, o.owner, r.lines.find(o.at).line)
	return true
}
