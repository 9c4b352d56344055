package importer

import (
	"fmt"
	"net"
	"slices"
	"sort"
	"strings"
	"time"
)

// build makes services from the parsed sections.
func (p *haParser) build() {
	for _, s := range p.sections {
		if s.kind == "frontend" || s.kind == "listen" {
			p.front(s)
		}
	}
	for _, s := range p.sections {
		if s.kind == "backend" && !s.used {
			p.notes = append(p.notes, s.notes...)
			p.commented += len(s.servers)
			for _, server := range s.servers {
				p.notes = append(p.notes, note{server.line, "server " + server.name + " " + server.addr, "no TCP frontend uses its backend " + s.name})
			}
		}
	}
}

// front makes the services of a frontend, for each of its binds that differ in TLS or in PROXY headers.
func (p *haParser) front(s *haSection) {
	groups := [][]haBind{nil}
	for _, b := range s.binds {
		i := slices.IndexFunc(groups, func(g []haBind) bool {
			return g == nil || g[0].acceptProxy == b.acceptProxy && g[0].cert == b.cert && g[0].clientCA == b.clientCA
		})
		if i < 0 {
			i, groups = len(groups), append(groups, nil)
		}
		groups[i] = append(groups[i], b)
	}
	for i, g := range groups {
		one := *s
		if one.binds = g; i > 0 {
			one.notes = nil
		}
		p.frontOf(&one)
	}
}

// frontOf makes the services of some of a frontend's binds: one for each backend that it selects by a name in
// the ClientHello, and one for the other clients.
func (p *haParser) frontOf(s *haSection) {
	listen := len(s.servers) > 0
	if s.settings.disabled || len(s.binds) == 0 || s.stats && !listen && s.settings.defaultBackend == "" && len(s.rules) == 0 {
		p.notes = append(p.notes, s.notes...)
		return
	}
	others := p.backend(s.settings.defaultBackend)
	if listen {
		others = s
	}
	split, notes := p.bySNI(s, others)
	if others == nil {
		if !split {
			p.notes = append(append(p.notes, notes...), s.untranslated()...)
		}
		return
	}
	made := p.service(s.name, s, others)
	if split {
		made.keys.set("sni", array([]string{"*"}))
	}
	p.give(made, notes)
}

// bySNI makes the services of the backends that a frontend selects by name, and reports whether there is one. It
// returns the notes that the frontend has then.
func (p *haParser) bySNI(s, others *haSection) (split bool, notes []note) {
	notes = s.notes
	byBackend, names := map[string]*service{}, map[string][]string{}
	taken := map[string]bool{} // the first rule for a name decides
	for _, r := range s.rules {
		if r.ended && s.binds[0].cert == "" {
			continue // no client of these addresses has such a name
		}
		back, nowhere := p.backend(r.backend), p.nowhere(r.backend)
		if nowhere {
			back = others // whose clients come to it by all other names
		}
		r.names = slices.DeleteFunc(r.names, func(name string) bool { return taken[name] })
		if back == nil || len(r.names) == 0 {
			continue
		}
		for _, name := range r.names {
			taken[name] = true
		}
		made := byBackend[r.backend]
		if made == nil {
			made = p.service(s.name+"-"+r.backend, s, back)
			byBackend[r.backend] = made
			notes = p.give(made, notes)
		}
		names[r.backend] = append(names[r.backend], r.names...)
		made.keys.set("sni", array(names[r.backend]))
		if nowhere {
			made.keys.set("deny", array(everybody))
		}
	}
	return len(byBackend) > 0, notes
}

// give adds a frontend's notes to its first service.
func (p *haParser) give(s *service, notes []note) []note {
	s.notes = append(notes, s.notes...)
	sort.SliceStable(s.notes, func(i, j int) bool { return s.notes[i].line < s.notes[j].line })
	return nil
}

// nowhere reports whether clients of a backend are rejected, since it has no servers, or rejects all and accepts none.
func (p *haParser) nowhere(name string) bool {
	back := p.backend(name)
	if back == nil || len(back.servers) == 0 {
		return true
	}
	rejects := false
	for _, r := range back.settings.access {
		if r.accept {
			return false
		}
		rejects = rejects || !slices.Contains(r.words, "if") && !slices.Contains(r.words, "unless")
	}
	return rejects
}

func (p *haParser) backend(name string) *haSection {
	for _, s := range p.sections {
		if s.kind == "backend" && s.name == name && name != "" && !s.settings.disabled {
			return s
		}
	}
	return nil
}

// service makes the service of a frontend with one backend section.
func (p *haParser) service(name string, front, back *haSection) *service {
	s := p.add(name)
	for _, b := range front.binds {
		s.listen = append(s.listen, b.listen...)
		if b.acceptProxy {
			s.keys.set("accept_proxy", "true")
		}
		if b.cert != "" {
			s.table("tls").set("cert", quote(b.cert))
			s.table("tls").set("key", quote(b.cert))
			setIf(s.table("tls"), "client_ca", b.clientCA != "", quote(b.clientCA))
		}
	}
	clients, servers := &front.settings, &back.settings
	setIf(&s.keys, "balance", servers.balance != "", quote(servers.balance))
	setIf(&s.keys, "max_sessions", clients.maxSessions != "", clients.maxSessions)
	setIf(&s.keys, "connect_retries", servers.retries != "", servers.retries)
	setIf(&s.keys, "source", servers.source != "", array([]string{servers.source}))
	if front == back {
		p.access(s, front)
	} else {
		p.access(s, front, back)
	}
	p.timeouts(s, clients, servers)
	if front != back && !back.used {
		s.notes = append(s.notes, back.notes...)
		back.used = true
	}
	p.servers(s, front, back)
	return s
}

// port returns the port of all addresses on which the section listens; "": they differ.
func (s *haSection) port() (port string) {
	for _, b := range s.binds {
		for _, addr := range b.listen {
			this := addr[strings.LastIndexByte(addr, ':')+1:]
			if port != "" && this != port {
				return ""
			}
			port = this
		}
	}
	return port
}

func setIf(t *table, name string, ok bool, value string) {
	if ok {
		t.set(name, value)
	}
}

// timeouts translates the timeouts of both sides: tcpctl has one for both directions.
func (p *haParser) timeouts(s *service, clients, servers *haSettings) {
	longer := func(name string) time.Duration {
		return max(clients.timeouts[name+"client"], servers.timeouts[name+"server"])
	}
	if d, ok := servers.timeouts["connect"]; ok {
		s.keys.set("connect_timeout", duration(d))
	}
	idle := longer("")
	if d := max(clients.timeouts["tunnel"], servers.timeouts["tunnel"]); d > 0 {
		idle = d
	}
	setIf(&s.keys, "idle_timeout", idle > 0, duration(idle))
	fin := max(clients.timeouts["client-fin"], servers.timeouts["server-fin"])
	setIf(&s.keys, "half_close_timeout", fin > 0, duration(fin))
	if d, ok := servers.timeouts["queue"]; ok {
		s.table("queue").set("timeout", duration(d))
	}
}

// servers adds the backends, and how they are checked.
func (p *haParser) servers(s *service, front, back *haSection) {
	checked := false
	*s.table("check") = back.settings.checks()
	for _, server := range back.servers {
		if p.server(s, front, back, server) {
			checked = true
		}
	}
	check := s.table("check")
	switch {
	case !checked:
		*check = table{{"type", quote("none")}}
	case back.settings.checkTLS:
		check.set("tls", "true")
	}
	if d, ok := back.settings.timeouts["check"]; ok && checked {
		check.set("timeout", duration(d))
	}
}

// addrKey returns the key for a backend's address: dns if each address of its name is a backend.
func addrKey(server haServer, addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if server.many && err == nil && net.ParseIP(host) == nil {
		return "dns"
	}
	return "addr"
}

// server adds one backend, and reports whether haproxy checks it.
func (p *haParser) server(s *service, front, back *haSection, server haServer) (checked bool) {
	if server.many && strings.HasPrefix(server.addr, "_") {
		return p.records(s, back, server)
	}
	addr, ok := haAddr(server.addr)
	if port := front.port(); !ok && port != "" { // without a port: the one to which the client connected
		addr, ok = haAddr(server.addr + ":" + port)
	}
	if !ok || strings.HasPrefix(addr, ":") {
		p.translated--
		p.commented++
		s.notes = append(s.notes, note{server.line, "server " + server.name + " " + server.addr, "a backend has one address, with a port: without one it is that of the client's connection, of which there are several here"})
		return false
	}
	b := table{{"name", quote(serviceName(server.name))}, {addrKey(server, addr), quote(addr)}}
	checked = serverOptions(s, &b, back, server)
	s.backends = append(s.backends, b)
	return checked
}

// records makes the servers of a service record, of which a service has one, its backends.
func (p *haParser) records(s *service, back *haSection, server haServer) (checked bool) {
	d := s.table("discover")
	if len(*d) > 0 {
		p.translated--
		p.commented++
		s.notes = append(s.notes, note{server.line, "server-template " + server.name + " " + server.addr, "a service discovers its backends in one place"})
		return false
	}
	d.set("from", quote("srv:"+server.addr))
	return serverOptions(s, d, back, server)
}

// serverOptions translates the options of a server to keys of b, and reports whether haproxy checks it.
func serverOptions(s *service, b *table, back *haSection, server haServer) (checked bool) {
	var others []string
	options := haOptions(append(slices.Clone(back.settings.server), server.opts...))
	tls := slices.ContainsFunc(options, func(o haOption) bool { return o.name == "ssl" })
	for _, o := range options {
		switch {
		case o.name == "check":
			checked = true
		case o.name == "no-check":
			checked = false
		case slices.Contains(silent, o.name):
		case !tls && ofTLS[o.name] && o.value == "none": // checks verify nothing anyway
		case !tls && ofTLS[o.name], // of checks
			b.get("from") != "" && o.name == "weight", // a record has the weights
			!serverOption(s, b, o):
			others = append(others, strings.TrimSpace(o.name+" "+o.value))
		}
	}
	if len(others) > 0 {
		s.notes = append(s.notes, note{server.line, fmt.Sprintf("server %s: %s", server.name, strings.Join(others, ", ")), "of this server, these have no counterpart"})
	}
	return checked
}

// ofTLS are the options that say how ssl is spoken; without ssl they are those of check-ssl.
var ofTLS = map[string]bool{"verify": true, "verifyhost": true, "sni": true, "ca-file": true, "crt": true}

// serverOption translates one option of a server, and reports whether it has a counterpart.
func serverOption(s *service, b *table, o haOption) bool {
	switch o.name {
	case "weight":
		return setNumber(b, "weight", o)
	case "maxconn":
		return setNumber(b, "max_sessions", o)
	case "backup":
		b.set("priority", "1")
	case "disabled":
		b.set("weight", "0") // no new sessions until an operator gives it a weight
	case "enabled":
	case "send-proxy":
		s.keys.set("send_proxy", "1")
	case "send-proxy-v2":
		s.keys.set("send_proxy", "2")
	case "ssl":
		b.set("tls", "true")
	case "verify":
		setIf(b, "tls_verify", o.value == "none", "false")
	case "verifyhost", "sni":
		name, ok := strings.CutPrefix(o.value, "str(")
		name = strings.TrimSuffix(name, ")")
		ok = ok == (o.name == "sni") && !isNoServerName(name)
		setIf(b, "tls_name", ok, quote(name))
		return ok
	case "ca-file":
		b.set("ca", quote(o.value))
	case "crt":
		b.set("tls_cert", quote(o.value))
		b.set("tls_key", quote(o.value)) // the file has both
	default:
		return checkOption(s.table("check"), o)
	}
	return true
}

func setNumber(t *table, name string, o haOption) bool {
	setIf(t, name, isNumber(o.value), number(o.value))
	return isNumber(o.value)
}

// checkOption does the same for options about the server's check. A service has one check, so a
// differing one stays in a comment.
func checkOption(check *table, o haOption) bool {
	d, timed := parseTime(o.value, time.Millisecond)
	var one table
	switch o.name {
	case "inter":
		setIf(&one, "interval", timed && d >= 10*time.Millisecond, duration(d))
	case "slowstart":
		setIf(&one, "slow_start", timed, duration(d))
	case "rise", "fall", "port":
		setIf(&one, o.name, isNumber(o.value) && number(o.value) != "0", number(o.value))
	case "on-marked-down":
		setIf(&one, "on_down", o.value == "shutdown-sessions", quote("cut"))
	case "check-ssl":
		one.set("tls", "true")
	}
	for _, k := range one {
		if was := check.get(k.name); was == "" || was == k.value {
			check.set(k.name, k.value)
			return true
		}
	}
	return false
}
