package importer

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ngParser translates one nginx.conf.
type ngParser struct {
	*draft
	upstreams map[string]*ngUpstream
	maps      map[string]*directive // by the variable that each sets
	inherited []directive           // the stream block's
	counted   map[string]bool       // the stream block's directives that were counted
}

// nginx translates the stream blocks of an nginx.conf. An included file has servers without such a
// block around them.
func (d *draft) nginx(text []byte) error {
	all, err := parseNginx(d.source, string(text))
	if err != nil {
		return err
	}
	p := &ngParser{draft: d, upstreams: map[string]*ngUpstream{}, maps: map[string]*directive{}, counted: map[string]bool{}}
	included := true
	for i := range all {
		name := all[i].words[0]
		if all[i].braces && name != "server" && name != "upstream" && name != "map" {
			included = false
		}
	}
	if included {
		p.stream(all)
		return nil
	}
	for i := range all {
		if one := &all[i]; one.braces && one.words[0] == "stream" {
			p.translated++
			p.stream(one.block)
		} else {
			p.skip(one)
		}
	}
	return nil
}

// skip keeps a directive that does not concern TCP as one comment.
func (p *ngParser) skip(d *directive) {
	reason := "it is about nginx's own process"
	text := d.text()
	if d.braces {
		text += " { ... }"
		reason = "it has no counterpart"
	}
	if d.words[0] == "http" || d.words[0] == "mail" {
		reason = httpOnly
	}
	if d.words[0] == "include" {
		reason = "import the files that it names one by one"
	}
	p.commented += d.count()
	p.notes = append(p.notes, note{d.line, text, reason})
}

// stream translates the servers of a stream block.
func (p *ngParser) stream(all []directive) {
	var servers []*directive
	for i := range all {
		switch d := &all[i]; {
		case d.braces && d.words[0] == "upstream" && len(d.words) == 2:
			p.upstreams[d.words[1]] = readUpstream(d)
		case d.braces && d.words[0] == "map" && len(d.words) == 3:
			p.maps[d.words[2]] = d
		case d.braces && d.words[0] == "server":
			servers = append(servers, d)
		case d.braces, d.words[0] == "include":
			p.skip(d)
		default:
			p.inherited = append(p.inherited, *d)
		}
	}
	for _, d := range servers {
		p.translated++
		p.server(d)
	}
	for _, name := range slices.Sorted(maps.Keys(p.upstreams)) {
		if up := p.upstreams[name]; !up.used {
			p.notes = append(p.notes, note{up.from.line, "upstream " + name + " { ... }", "no server uses it"})
			p.commented += up.from.count()
		}
	}
}

// server makes the services of a server block: one, or one for each target of a map of names in the
// ClientHello.
func (p *ngParser) server(d *directive) {
	var s service
	var to *directive
	var listens []ngListen
	udp := false
	for _, one := range p.inherited {
		p.setting(&s, &one, false)
	}
	isRule := func(d directive) bool { return d.words[0] == "allow" || d.words[0] == "deny" }
	if slices.ContainsFunc(d.block, isRule) { // which replace those around it
		s.access = accessRules{}
	}
	for i := range d.block {
		switch one := &d.block[i]; one.words[0] {
		case "listen":
			l, isUDP := p.listen(&s, one)
			if udp = udp || isUDP; l.addr != "" {
				listens = append(listens, l)
			}
		case "proxy_pass":
			to = one
		default:
			p.setting(&s, one, true)
		}
	}
	s.restrict()
	tls := slices.ContainsFunc(listens, func(l ngListen) bool { return l.tls })
	switch {
	case udp:
		p.lost(&s, d, "it is UDP")
	case to == nil || len(to.words) != 2:
		p.lost(&s, d, "it has no proxy_pass")
	case len(listens) == 0:
		p.lost(&s, d, "it has no listen that tcpctl could have")
	case tls && s.table("tls").get("cert") == "":
		p.lost(&s, d, "tcpctl speaks TLS with one certificate: ssl_certificate")
	case tls && s.verifyClients && s.table("tls").get("client_ca") == "":
		p.lost(&s, d, "tcpctl verifies clients by one file: ssl_client_certificate")
	default:
		p.translated++
		for _, kind := range []ngListen{{}, {tls: true}, {proxy: true}, {tls: true, proxy: true}} {
			if one := s.at(kind, listens); len(one.listen) > 0 {
				p.pass(one, to)
				s.notes = nil // they are at the first
			}
		}
	}
}

// ngListen is an address at which a server listens.
type ngListen struct {
	addr       string
	tls, proxy bool
}

// at returns the service at the addresses of a kind: TLS and PROXY headers are for all clients of a service.
func (s *service) at(kind ngListen, listens []ngListen) *service {
	one := *s
	one.keys, one.tables = slices.Clone(s.keys), maps.Clone(s.tables)
	for _, l := range listens {
		if l.tls == kind.tls && l.proxy == kind.proxy {
			one.listen = append(one.listen, l.addr)
		}
	}
	setIf(&one.keys, "accept_proxy", kind.proxy, "true")
	if !kind.tls {
		delete(one.tables, "tls")
	}
	return &one
}

// lost keeps a whole server block as a comment.
func (p *ngParser) lost(s *service, d *directive, reason string) {
	p.notes = append(append(p.notes, s.notes...), note{d.line, "server { ... }", reason})
	p.commented++
}

// pass makes services from the target of proxy_pass.
func (p *ngParser) pass(s *service, to *directive) {
	target := to.words[1]
	m := p.maps[target]
	if m == nil {
		made := p.made(s, target, to)
		if made == nil {
			p.lost(s, to, "proxy_pass to a variable is translated where a map of $ssl_preread_server_name sets it")
		}
		return
	}
	if m.words[1] != "$ssl_preread_server_name" {
		p.lost(s, to, "of maps, those of $ssl_preread_server_name are translated")
		return
	}
	p.translated++
	var made []*service
	names := map[string][]string{}
	var order []string
	for i := range m.block {
		one := &m.block[i]
		if one.words[0] == "hostnames" { // tcpctl always compares host names this way
			continue
		}
		of := sniNames(one)
		if len(of) == 0 {
			p.commented++
			s.notes = append(s.notes, note{one.line, one.text(), "names are translated that are whole, or begin with *."})
			continue
		}
		p.translated++
		if names[one.words[1]] == nil {
			order = append(order, one.words[1])
		}
		names[one.words[1]] = append(names[one.words[1]], of...)
	}
	for _, target := range order {
		one := p.made(s, target, to)
		if one == nil {
			continue
		}
		s.notes = nil // they are at the first service
		one.keys.set("sni", array(names[target]))
		made = append(made, one)
	}
	if len(made) == 0 {
		p.lost(s, to, "its map names no backends")
	}
}

// sniNames returns the names of one line of a map; none: they cannot be translated.
func sniNames(d *directive) []string {
	if len(d.words) != 2 || d.braces {
		return nil
	}
	name := strings.ToLower(d.words[0])
	switch {
	case name == "default":
		return []string{"*"}
	case strings.HasPrefix(name, "."):
		return []string{name[1:], "*" + name}
	case strings.HasPrefix(name, "~"), isNoServerName(name), strings.Contains(strings.TrimPrefix(name, "*."), "*"):
		return nil
	}
	return []string{name}
}

// made adds a service like s for the backends of an upstream, or of an address; nil: it has none.
func (p *ngParser) made(s *service, target string, at *directive) *service {
	if strings.HasPrefix(target, "$") {
		return nil
	}
	name := target
	if p.upstreams[target] == nil {
		name = "tcp-" + strings.Trim(s.listen[0][strings.LastIndexByte(s.listen[0], ':')+1:], "/")
	}
	one := p.add(name)
	one.listen, one.notes = s.listen, s.notes
	one.keys = append(one.keys, s.keys...)
	for name, t := range s.tables {
		*one.table(name) = append(table{}, *t...)
	}
	if up := p.upstreams[target]; up != nil {
		p.use(one, up)
	} else if addr, ok := ngAddr(target, 0); ok {
		one.backends = []table{{{"name", quote(serviceName(addr))}, {"addr", quote(addr)}}}
	} else {
		one.notes = append(one.notes, note{at.line, at.text(), "its address is no host:port"})
	}
	if t := one.table("backend"); len(*t) > 0 { // the server's TLS, for all of them
		for i := range one.backends {
			one.backends[i] = append(one.backends[i], *t...)
		}
	}
	return one
}

// ngAddr converts an address to tcpctl's form; with port 0, the address must have a port.
func ngAddr(addr string, port int) (string, bool) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix:" + path, path != ""
	}
	if isNumber(addr) {
		addr = ":" + addr
	}
	i := strings.LastIndexByte(addr, ':')
	if i < 0 || strings.HasSuffix(addr, "]") {
		if port == 0 {
			return "", false
		}
		addr += ":" + strconv.Itoa(port)
		i = strings.LastIndexByte(addr, ':')
	}
	n, err := strconv.Atoi(addr[i+1:])
	if err != nil || n < 1 || n > 65535 || strings.ContainsAny(addr, "$ ") {
		return "", false
	}
	return strings.TrimPrefix(addr[:i], "*") + addr[i:], true
}

// ngTime parses a time of nginx, in seconds by default. It may have several parts, like 1h30m.
func ngTime(text string) (sum time.Duration, ok bool) {
	for text != "" {
		i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
		if i < 0 {
			i = len(text)
		}
		j := i
		for j < len(text) && (text[j] < '0' || text[j] > '9') {
			j++
		}
		d, ok := parseTime(text[:j], time.Second)
		if !ok {
			return 0, false
		}
		sum, text = sum+d, text[j:]
	}
	return sum, true
}
