package importer

import (
	"slices"
	"strings"
	"time"
)

// ngUpstream is an upstream block, which is read once although several servers may use it.
type ngUpstream struct {
	from       *directive
	balance    string // as TOML
	backends   []table
	passive    table
	notes      []note
	translated int // directives
	used       bool
}

func readUpstream(d *directive) *ngUpstream {
	up := &ngUpstream{from: d, balance: quote("roundrobin"), translated: 1}
	for i := range d.block {
		one := &d.block[i]
		if reason := up.directive(one); reason != "" {
			up.notes = append(up.notes, note{one.line, one.text(), reason})
			continue
		}
		up.translated++
	}
	return up
}

// directive translates one directive. It returns why it has no counterpart.
func (up *ngUpstream) directive(d *directive) (reason string) {
	switch d.words[0] {
	case "server":
		return up.server(d)
	case "least_conn":
		up.balance = quote("leastconn")
	case "random":
		up.balance = quote(map[bool]string{true: "p2c", false: "random"}[len(d.words) > 1 && d.words[1] == "two"])
	case "hash":
		if len(d.words) < 2 || d.words[1] != "$remote_addr" && d.words[1] != "$binary_remote_addr" {
			return `balance = "source" hashes the client's address`
		}
		up.balance = quote("source")
	case "zone", "keepalive":
	default:
		return "tcpctl has no such setting"
	}
	return ""
}

// server translates "server ADDR [OPTION...]".
func (up *ngUpstream) server(d *directive) (reason string) {
	if len(d.words) < 2 {
		return "a server has an address"
	}
	addr, ok := ngAddr(d.words[1], 0)
	if !ok {
		return "its address is no host:port"
	}
	b := table{{"name", quote(serviceName(addr))}, {"addr", quote(addr)}}
	for _, w := range d.words[2:] {
		name, value, _ := strings.Cut(w, "=")
		switch {
		case name == "weight" && isNumber(value):
			b.set("weight", number(value))
		case name == "max_conns" && isNumber(value):
			setIf(&b, "max_sessions", value != "0", number(value))
		case name == "backup":
			b.set("priority", "1")
		case name == "down":
			b.set("weight", "0") // no new sessions until an operator gives it a weight
		case name == "max_fails" && isNumber(value):
			setIf(&up.passive, "failures", value != "0", number(value))
		case name == "fail_timeout":
			if t, ok := ngTime(value); ok && t >= time.Second {
				up.passive.set("window", duration(t))
				up.passive.set("eject", duration(t))
			}
		case name == "resolve":
		default:
			reason = "of this server, " + name + " has no counterpart"
		}
	}
	up.backends = append(up.backends, b)
	return reason
}

// use gives a service the backends of an upstream. Its lines count, and its comments appear, at the
// first use.
func (p *ngParser) use(s *service, up *ngUpstream) {
	if !up.used {
		up.used = true
		p.translated += up.translated
		p.commented += len(up.notes)
		s.notes = append(s.notes, up.notes...)
	}
	s.keys.set("balance", up.balance)
	for _, k := range up.passive {
		s.table("passive").set(k.name, k.value)
	}
	for _, b := range up.backends {
		s.backends = append(s.backends, slices.Clone(b))
	}
}
