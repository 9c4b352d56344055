package importer

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const httpOnly = "this is HTTP: tcpctl passes a connection's bytes on as they are"

// ignored are directives whose effect tcpctl always has, or which do not concern clients.
var ignored = []string{"option redispatch", "option tcpka", "option clitcpka", "option srvtcpka", "option splice-auto", "option splice-request",
	"option splice-response", "option tcp-smart-accept", "option tcp-smart-connect", "tcp-request inspect-delay", "daemon", "master-worker",
	"nbproc", "nbthread", "maxsslconn", "quiet", "description", "option dontlognull", "hash-type", "enabled", "id"}

// hints say what tcpctl has in place of a directive.
var hints = map[string]string{
	"log": `see [log]: access = "FILE" has one JSON line a session`, "option tcplog": `see [log]: access = "FILE" has one JSON line a session`,
	"option httplog": `see [log]: access = "FILE" has one JSON line a session`, "log-format": `see [log]: access = "FILE" has one JSON line a session`,
	"user": "say it to the service manager: tcpctl needs no root for ports above 1023", "group": "say it to the service manager",
	"chroot": "say it to the service manager", "pidfile": "say it to the service manager",
	"stats": "tcpctl attach shows more than haproxy's statistics; [control] has the socket, [metrics] Prometheus's numbers",
}

// directive translates one directive of the section. It returns why that has no counterpart; "": it
// has one.
func (s *haSection) directive(d *draft, n int, w []string) (reason string) {
	args := w[1:]
	two := strings.Join(w[:min(2, len(w))], " ")
	if w[0] == "no" && len(args) > 0 {
		return "tcpctl has no such option to turn off"
	}
	if s.kind == "global" && w[0] == "maxconn" && len(args) == 1 && isNumber(args[0]) {
		d.maxSessions = number(args[0])
		return ""
	}
	for _, name := range []string{two, w[0]} {
		if slices.Contains(ignored, name) {
			return ""
		}
		if why := hints[name]; why != "" {
			s.stats = s.stats || w[0] == "stats"
			return why
		}
	}
	if s.kind == "global" {
		return "it is about haproxy's own process"
	}
	switch w[0] {
	case "mode":
		return s.mode(args)
	case "disabled":
		s.settings.disabled = true
		return "what is disabled is left out"
	case "bind":
		return s.bind(args)
	case "server":
		return s.server(n, args)
	case "server-template":
		return s.template(n, args)
	case "default-server":
		s.settings.server = append(s.settings.server, args...)
		return ""
	case "timeout":
		return s.timeout(args)
	case "option", "http-check", "tcp-check", "httpchk":
		return s.checkDirective(w)
	case "acl", "use_backend", "default_backend", "tcp-request", "http-request", "redirect", "block":
		return s.rule(n, w)
	}
	return s.setting(w[0], args)
}

func isNumber(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 0
}

// number formats a number for TOML, without leading zeros.
func number(text string) string {
	n, _ := strconv.Atoi(text)
	return strconv.Itoa(n)
}

func (s *haSection) mode(args []string) string {
	s.settings.http = len(args) > 0 && args[0] == "http"
	if s.settings.http && s.kind != "defaults" {
		return httpOnly + ", and does not look at requests"
	}
	return ""
}

// setting translates a directive with one value.
func (s *haSection) setting(name string, args []string) string {
	if len(args) == 0 {
		return "tcpctl has no such setting"
	}
	set := &s.settings
	switch name {
	case "balance":
		to, ok := map[string]string{"roundrobin": "roundrobin", "static-rr": "roundrobin", "leastconn": "leastconn", "source": "source", "first": "first", "random": "random"}[args[0]]
		if !ok {
			return httpOnly + "; balance has random, roundrobin, leastconn, p2c, source and first"
		}
		set.balance = to
	case "retries":
		if !isNumber(args[0]) {
			return "it is no number"
		}
		set.retries = number(args[0])
	case "maxconn":
		if !isNumber(args[0]) {
			return "it is no number"
		}
		if s.kind == "frontend" || s.kind == "listen" {
			set.maxSessions = number(args[0])
		}
	case "source":
		addr, err := netip.ParseAddr(strings.TrimSuffix(args[0], ":0"))
		if err != nil || len(args) > 1 {
			return "source has addresses alone"
		}
		if !addr.IsUnspecified() {
			set.source = addr.String()
		}
	case "stick-table", "stick":
		return `balance = "source" keeps a client with its backend, without a table`
	case "fullconn", "cookie", "capture", "compression", "errorfile", "http-response", "http-reuse", "rspadd", "reqadd", "monitor-uri", "unique-id-format", "filter", "errorloc":
		return httpOnly
	default:
		return "tcpctl has no such setting"
	}
	return ""
}

// timeout translates "timeout NAME TIME".
func (s *haSection) timeout(args []string) string {
	if len(args) != 2 {
		return "timeout has a name and a time"
	}
	switch args[0] {
	case "connect", "client", "server", "tunnel", "client-fin", "server-fin", "queue", "check":
	default:
		return httpOnly
	}
	d, ok := parseTime(args[1], time.Millisecond)
	if !ok {
		return strconv.Quote(args[1]) + " is no time"
	}
	s.settings.timeouts[args[0]] = d
	return ""
}

// bind translates addresses with their options.
func (s *haSection) bind(args []string) (reason string) {
	if len(args) == 0 {
		return "bind has an address"
	}
	var b haBind
	var others []string
	verify, tls := "", false
	var ok bool
	if b.listen, ok = haList(args[0]); !ok {
		return "tcpctl listens on host:port or unix:PATH"
	}
	for _, o := range haOptions(args[1:]) {
		switch o.name {
		case "accept-proxy":
			b.acceptProxy = true
		case "ssl":
			tls = true
		case "crt":
			if b.cert != "" {
				others = append(others, "crt "+o.value)
			}
			b.cert = cmp.Or(b.cert, o.value) // the first is haproxy's for clients without a server name
		case "interface", "namespace":
			return "tcpctl listens on an address, not on an interface: bind to an address of it"
		case "ca-file":
			b.clientCA = o.value
		case "verify":
			if verify = o.value; verify == "optional" {
				others = append(others, "verify optional (tls.client_ca requires a certificate)")
			}
		case "mode", "group":
			others = append(others, o.name+" "+o.value+" (see listen_"+o.name+")")
		case "v4v6", "tfo", "defer-accept", "transparent":
		default:
			others = append(others, strings.TrimSpace(o.name+" "+o.value))
		}
	}
	if verify != "required" {
		b.clientCA = ""
	}
	switch {
	case tls && b.cert == "":
		return "tcpctl speaks TLS with one certificate: crt FILE"
	case !tls:
		b.cert = ""
	}
	s.binds = append(s.binds, b)
	return unless(len(others) == 0, "of this bind, these are not translated: "+strings.Join(others, ", "))
}

// maxPorts is the largest range of ports that is written as one address each.
const maxPorts = 100

// haList returns the addresses of a bind, a list with commas.
func haList(list string) (all []string, ok bool) {
	for addr := range strings.SplitSeq(list, ",") {
		some, ok := haAddrs(addr)
		if !ok {
			return nil, false
		}
		all = append(all, some...)
	}
	return all, true
}

// haAddrs returns the addresses that one of them stands for: it may have a range of ports.
func haAddrs(addr string) (all []string, ok bool) {
	i := strings.LastIndexByte(addr, ':')
	from, to, isRange := strings.Cut(addr[i+1:], "-")
	first, err1 := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if i < 0 || !isRange || err1 != nil || err2 != nil {
		one, ok := haAddr(addr)
		return []string{one}, ok
	}
	if last < first || last-first >= maxPorts {
		return nil, false
	}
	for port := first; port <= last; port++ {
		one, ok := haAddr(addr[:i+1] + strconv.Itoa(port))
		if !ok {
			return nil, false
		}
		all = append(all, one)
	}
	return all, true
}

// haAddr converts an address to tcpctl's form.
func haAddr(addr string) (string, bool) {
	for _, kind := range []string{"ipv4@", "ipv6@", "tcp4@", "tcp6@", "tcp@"} {
		addr = strings.TrimPrefix(addr, kind)
	}
	if strings.Contains(addr, "$") { // of the environment
		return "", false
	}
	if path, ok := strings.CutPrefix(addr, "unix@"); ok {
		return "unix:" + path, true
	}
	if strings.HasPrefix(addr, "/") {
		return "unix:" + addr, true
	}
	i := strings.LastIndexByte(addr, ':')
	if i < 0 || strings.ContainsAny(addr, "@ ") {
		return "", false
	}
	host, port := addr[:i], addr[i+1:]
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", false
	}
	host = strings.Trim(host, "[]")
	switch {
	case host == "*" || host == "":
		host = ""
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return host + ":" + port, true
}

// server translates "server NAME ADDR[:PORT] [OPTION...]".
func (s *haSection) server(n int, args []string) string {
	if len(args) < 2 {
		return "a server has a name and an address"
	}
	s.servers = append(s.servers, haServer{line: n, name: args[0], addr: args[1], opts: args[2:]})
	return ""
}

// template translates a server for each address of a name. Their maximum number is left out: a set
// of backends grows with the answers.
func (s *haSection) template(n int, args []string) string {
	if len(args) < 3 || !isNumber(strings.ReplaceAll(args[1], "-", "")) {
		return "a server-template has a prefix, a number of servers, and a name with a port"
	}
	s.servers = append(s.servers, haServer{line: n, name: args[0], addr: args[2], many: true, opts: args[3:]})
	return ""
}
