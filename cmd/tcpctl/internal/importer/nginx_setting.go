package importer

import (
	"net/netip"
	"strconv"
	"strings"
)

// listen returns an address, if tcpctl can have it, and whether it is for UDP.
func (p *ngParser) listen(s *service, d *directive) (l ngListen, udp bool) {
	if len(d.words) < 2 {
		return l, false
	}
	addr, ok := ngAddr(d.words[1], 0)
	if !ok {
		p.note(s, d, "tcpctl listens on host:port or unix:PATH")
		return l, false
	}
	reason := ""
	for _, w := range d.words[2:] {
		switch name, _, _ := strings.Cut(w, "="); name {
		case "udp":
			udp = true
		case "proxy_protocol":
			l.proxy = true
		case "ssl":
			l.tls = true
		case "backlog":
			if n := strings.TrimPrefix(w, "backlog="); isNumber(n) {
				s.keys.set("backlog", number(n))
			}
		case "reuseport", "so_keepalive", "deferred", "default_server", "bind", "ipv6only", "fastopen":
		default:
			reason = "of this listen, " + name + " has no counterpart"
		}
	}
	if l.addr = addr; reason != "" {
		p.note(s, d, reason)
		return l, udp
	}
	p.translated++
	return l, udp
}

func (p *ngParser) note(s *service, d *directive, reason string) {
	p.commented++
	s.notes = append(s.notes, note{d.line, d.text(), reason})
}

// setting translates one directive of a server, or of the stream block around it, whose lines count
// once.
func (p *ngParser) setting(s *service, d *directive, own bool) {
	reason := s.nginxSetting(d)
	switch {
	case !own && reason != "":
		if !p.counted[d.text()] {
			p.counted[d.text()] = true
			p.commented++
			p.notes = append(p.notes, note{d.line, d.text(), reason})
		}
	case !own:
		if !p.counted[d.text()] {
			p.counted[d.text()] = true
			p.translated++
		}
	case reason != "":
		p.note(s, d, reason)
	default:
		p.translated++
	}
}

// nginxQuoted are the directives whose value becomes that of a table's key, unchanged.
var nginxQuoted = map[string][2]string{
	"ssl_certificate":               {"tls", "cert"},
	"ssl_certificate_key":           {"tls", "key"},
	"ssl_client_certificate":        {"tls", "client_ca"},
	"proxy_ssl_name":                {"backend", "tls_name"},
	"proxy_ssl_trusted_certificate": {"backend", "ca"},
	"proxy_ssl_certificate":         {"backend", "tls_cert"},
	"proxy_ssl_certificate_key":     {"backend", "tls_key"},
}

// nginxSetting translates a directive with one value. It returns why it has no counterpart.
func (s *service) nginxSetting(d *directive) (reason string) {
	if len(d.words) < 2 {
		return "tcpctl has no such setting"
	}
	name, value := d.words[0], d.words[1]
	if key, ok := nginxQuoted[name]; ok {
		return s.nginxQuote(key, value)
	}
	switch name {
	case "proxy_timeout":
		return s.nginxTimeout("idle_timeout", value)
	case "proxy_connect_timeout":
		return s.nginxTimeout("connect_timeout", value)
	case "proxy_next_upstream_tries": // the first is no retry
		n, err := strconv.Atoi(value)
		setIf(&s.keys, "connect_retries", err == nil && n > 0, strconv.Itoa(n-1))
	case "ssl_verify_client":
		s.verifyClients = value == "on"
		return unless(value == "on" || value == "off", "tls.client_ca requires a certificate of each client")
	case "js_access", "ssl_reject_handshake":
		if value == "off" {
			return ""
		}
		s.closed = true
		return "it may reject any client, so all are rejected: replace deny by an allow with those to admit"
	case "proxy_half_close":
		return unless(value == "on", "tcpctl passes on the end of each direction")
	case "proxy_next_upstream", "tcp_nodelay", "ssl_preread", "preread_timeout", "preread_buffer_size", "proxy_buffer_size", "ssl_session_cache", "ssl_session_timeout", "ssl_handshake_timeout", "proxy_socket_keepalive", "limit_conn_zone", "proxy_ssl_server_name", "proxy_ssl_session_reuse":
	case "proxy_protocol":
		setIf(&s.keys, "send_proxy", value == "on", "1")
	case "proxy_bind":
		return s.nginxBind(d)
	case "proxy_download_rate", "proxy_upload_rate":
		return s.nginxRate(value)
	case "proxy_ssl", "proxy_ssl_verify":
		s.nginxTLS(name, value == "on")
	case "set_real_ip_from":
		return s.nginxTrust(value)
	case "allow", "deny":
		return s.nginxAccess(name == "allow", value)
	case "limit_conn":
		return s.nginxLimit(d.words)
	case "access_log", "error_log", "log_format":
		return `see [log]: access = "FILE" has one JSON line a session`
	default:
		return "tcpctl has no such setting"
	}
	return ""
}

// nginxAccess adds a rule about clients.
func (s *service) nginxAccess(allow bool, of string) string {
	if of == "all" {
		s.access.all(allow)
		return ""
	}
	c, err := network(of)
	if err != nil {
		return of + " is no network"
	}
	if allow {
		return s.access.accept([]clients{c})
	}
	return s.access.reject([]clients{c})
}

// nginxTLS translates whether TLS is spoken to the backends, and whether their certificates are verified.
func (s *service) nginxTLS(name string, on bool) {
	b := s.table("backend")
	switch {
	case name == "proxy_ssl_verify":
		b.set("tls_verify", strconv.FormatBool(on))
	case on:
		b.set("tls", "true")
		setIf(b, "tls_verify", b.get("tls_verify") == "", "false") // nginx's default
	}
}

func (s *service) nginxTimeout(key, value string) string {
	d, ok := ngTime(value)
	if !ok {
		return value + " is no time"
	}
	s.keys.set(key, duration(d))
	return ""
}

// unless returns a reason if a setting is not as wanted.
func unless(wanted bool, reason string) string {
	if wanted {
		return ""
	}
	return reason
}

// nginxQuote sets the key of a table to the value of a directive.
func (s *service) nginxQuote(key [2]string, value string) string {
	if strings.Contains(value, "$") || key[1] == "tls_name" && isNoServerName(value) {
		return "its value must be the same for all clients, and a server name one that a certificate can have"
	}
	s.table(key[0]).set(key[1], quote(value))
	return ""
}

func (s *service) nginxLimit(words []string) string {
	if len(words) != 3 || !isNumber(words[2]) {
		return "limit_conn has a zone and a number"
	}
	s.keys.set("max_sessions_per_ip", number(words[2]))
	return ""
}

// restrict writes which clients may connect.
func (s *service) restrict() {
	if s.closed {
		s.access.next() // whatever allow and deny say
		s.access.all(false)
	}
	s.access.set(&s.keys)
	if !s.verifyClients {
		s.table("tls").remove("client_ca")
	}
}

func (s *service) nginxBind(d *directive) string {
	addr, err := netip.ParseAddr(d.words[1])
	if err != nil || len(d.words) > 2 {
		return "source has addresses alone"
	}
	s.keys.set("source", array([]string{addr.String()}))
	return ""
}

// nginxRate translates a limit in bytes a second: tcpctl has one for both directions.
func (s *service) nginxRate(value string) string {
	n := strings.TrimRight(strings.ToLower(value), "km")
	if !isNumber(n) || len(value)-len(n) > 1 {
		return "it is no size"
	}
	unit := map[string]string{"": "B", "k": "KiB", "m": "MiB"}[strings.ToLower(value)[len(n):]]
	s.keys.set("rate_limit", quote(n+unit+"/s"))
	return ""
}

// nginxTrust adds a network of proxies.
func (s *service) nginxTrust(proxies string) string {
	c, err := network(proxies)
	if err != nil {
		return proxies + " is no network"
	}
	was := strings.Trim(s.keys.get("trusted_proxies"), "[]")
	if was != "" {
		was += ", "
	}
	s.keys.set("trusted_proxies", "["+was+quote(c.String())+"]")
	return ""
}
