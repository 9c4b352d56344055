package config

import (
	"fmt"
	"slices"

	"github.com/tcpctl/tcpctl/proxy"
)

// claim is one address that something in the file wants to listen on.
type claim struct {
	proxy.Address
	addr, at, owner string // at: the path of its key
	shares          bool   // with services that do so, too
}

// checkListen finds addresses that are wanted twice, also by way of one that
// stands for all of a port. Whether services can share one that each want to
// share is the engine's to say.
func (f *File) checkListen(r *report) {
	all := []claim{}
	add := func(addr, at, owner string, shares bool) {
		if e, text, _ := parseEndpoint(addr, true); text == "" {
			all = append(all, claim{e, addr, at, owner, shares})
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
			add(a, fmt.Sprintf("%s.listen[%d]", path, i), "["+path+"]", len(s.SNI) > 0)
		}
	}
	slices.SortStableFunc(all, func(a, b claim) int { return r.lines.find(a.at).compare(r.lines.find(b.at)) })
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
		return false
	}
	hint := "choose another port or address"
	if (c.shares || o.shares) && c.owner != o.owner {
		hint += ", or give each service there a sni"
	}
	r.wrong(c.at, hint, "%s %q is taken by %q of %s in line %d", last(c.at), c.addr, o.addr, o.owner, r.lines.find(o.at).line)
	return true
}
