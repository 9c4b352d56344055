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
	sni             []string
}

// checkListen finds addresses that are wanted twice, also by way of one that
// stands for all of a port. Services may share one if each has sni.
func (f *File) checkListen(r *report) {
	all := []claim{}
	add := func(addr, at, owner string, sni []string) {
		if e, text, _ := parseEndpoint(addr, true); text == "" {
			all = append(all, claim{e, addr, at, owner, sni})
		}
	}
	if f.Control.Socket != "" {
		add("unix:"+f.Control.Socket, "control.socket", "[control]", nil)
	}
	if f.Metrics.Listen != "" {
		add(f.Metrics.Listen, "metrics.listen", "[metrics]", nil)
	}
	if f.Console.SSH.Listen != "" {
		add(f.Console.SSH.Listen, "console.ssh.listen", "[console.ssh]", nil)
	}
	for _, s := range f.Services {
		for i, a := range s.Listen {
			path := join("services", s.Name)
			add(a, fmt.Sprintf("%s.listen[%d]", path, i), "["+path+"]", s.SNI)
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
	line := r.lines.find(o.at).line
	shared := len(c.sni) > 0 && len(o.sni) > 0 && c.owner != o.owner
	switch {
	case shared && c.Address != o.Address:
		r.wrong(c.at, fmt.Sprintf("services that share a port by sni write the same address: %q", o.addr),
			"listen %q overlaps %q of %s in line %d", c.addr, o.addr, o.owner, line)
	case shared:
		for _, name := range c.sni {
			if slices.Contains(o.sni, name) {
				r.wrong(c.at, "give each name to one service", "sni %q is of %s in line %d already", name, o.owner, line)
				return true
			}
		}
		return false
	default:
		r.wrong(c.at, "choose another port or address", "%s %q is taken by %q of %s in line %d", last(c.at), c.addr, o.addr, o.owner, line)
	}
	return true
}
