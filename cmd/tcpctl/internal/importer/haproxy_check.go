package importer

import (
	"slices"
	"strings"
)

// checkDirective translates directives about checks, and options.
func (s *haSection) checkDirective(w []string) string {
	if len(w) < 2 {
		return "tcpctl has no such setting"
	}
	c := &s.settings.check
	if slices.Contains(checkOptions, w[1]) && w[0] == "option" {
		s.settings.checkOption = w[1]
	}
	switch w[0] + " " + w[1] {
	case "option tcp-check":
		return ""
	case "option ssl-hello-chk":
		s.settings.checkTLS = true
		return ""
	case "option redis-check":
		c.set("send", quote("PING\r\n"))
		c.set("expect_bytes", quote("+PONG"))
		return ""
	case "option mysql-check", "option pgsql-check", "option ldap-check", "option smtpchk", "option external-check":
		return `checked by TCP instead; check.type = "exec" runs a program of your own`
	case "option httpchk":
		return s.httpCheck(w[2:])
	case "http-check expect":
		if len(w) == 4 && w[2] == "status" && isNumber(w[3]) {
			c.set("expect", number(w[3]))
			return ""
		}
		return "of http-check expect, one status is translated"
	case "http-check send":
		return s.httpCheckSend(w[2:])
	case "tcp-check connect":
		if len(w) > 3 || len(w) == 3 && w[2] != "ssl" {
			return "of tcp-check connect, ssl is translated"
		}
		s.settings.checkTLS = s.settings.checkTLS || len(w) == 3
		return ""
	case "tcp-check send", "tcp-check expect":
		return s.sendExpect(w)
	}
	if w[0] == "option" {
		return "tcpctl has no such option"
	}
	return "of " + w[0] + ", this has no counterpart"
}

// httpCheck translates "option httpchk [METHOD] [URI [VERSION]]".
func (s *haSection) httpCheck(args []string) string {
	c := &s.settings.check
	switch len(args) {
	case 0:
		return ""
	case 1:
		c.set("path", quote(args[0]))
		return ""
	}
	c.set("method", quote(args[0]))
	c.set("path", quote(args[1]))
	for _, header := range strings.FieldsFunc(strings.Join(args[2:], " "), func(r rune) bool { return r == '\r' || r == '\n' }) {
		name, value, ok := strings.Cut(header, ":")
		switch {
		case strings.HasPrefix(header, "HTTP/"):
		case ok && strings.EqualFold(name, "host"):
			c.set("host", quote(strings.TrimSpace(value)))
		default:
			return "of the headers of a check, Host is translated"
		}
	}
	return ""
}

func (s *haSection) httpCheckSend(args []string) (reason string) {
	c := &s.settings.check
	for i := 0; i+1 < len(args); i += 2 {
		switch args[i] {
		case "meth":
			c.set("method", quote(args[i+1]))
		case "uri":
			c.set("path", quote(args[i+1]))
		case "ver":
		case "hdr":
			if i+2 < len(args) && strings.EqualFold(args[i+1], "host") {
				c.set("host", quote(args[i+2]))
			} else {
				reason = "of the headers of a check, Host is translated"
			}
			i++
		default:
			reason = "of http-check send, meth, uri and the header Host are translated"
		}
	}
	return reason
}

// sendExpect translates the first "tcp-check send" and the first "expect string".
func (s *haSection) sendExpect(w []string) string {
	name, at := "send", 2
	if w[1] == "expect" {
		name, at = "expect_bytes", 3
	}
	c := &s.settings.check
	if len(w) <= at || at == 3 && w[2] != "string" || c.get(name) != "" {
		return "a check sends one text and expects one string"
	}
	c.set(name, quote(w[at]))
	return ""
}

// checkOptions say how servers are checked. The last one of a section decides.
var checkOptions = []string{"tcp-check", "ssl-hello-chk", "redis-check", "mysql-check", "pgsql-check", "ldap-check", "smtpchk", "external-check", "httpchk"}

// checks returns the check with its type, without the keys of other types.
func (s *haSettings) checks() table {
	kind, without := "", []string{"send", "expect_bytes", "method", "path", "host", "expect"}
	switch s.checkOption {
	case "httpchk":
		kind, without = "http", without[:2]
	case "tcp-check", "redis-check":
		if without = without[2:]; s.check.get("send")+s.check.get("expect_bytes") != "" {
			kind = "send-expect"
		}
	}
	var all table
	setIf(&all, "type", kind != "", quote(kind))
	for _, k := range s.check {
		setIf(&all, k.name, !slices.Contains(without, k.name), k.value)
	}
	return all
}

// valued are the options of server and bind that have a value.
var valued = map[string]bool{"fastinter": true, "downinter": true, "id": true, "cookie": true, "minconn": true, "maxqueue": true,
	"resolvers": true, "init-addr": true, "resolve-prefer": true, "resolve-opts": true, "track": true, "alpn": true, "proto": true,
	"check-sni": true, "observe": true, "error-limit": true, "on-error": true, "redir": true, "namespace": true, "source": true,
	"ciphers": true, "ciphersuites": true, "ssl-min-ver": true, "ssl-max-ver": true, "crl-file": true, "addr": true, "log-proto": true,
	"pool-max-conn": true, "pool-purge-delay": true, "max-reuse": true, "usesrc": true, "check-alpn": true, "check-proto": true,
	"inter": true, "rise": true, "fall": true, "weight": true, "maxconn": true, "port": true, "ca-file": true, "verify": true, "verifyhost": true,
	"sni": true, "crt": true, "slowstart": true, "on-marked-down": true, "on-marked-up": true,
	"backlog": true, "ca-ignore-err": true, "ca-sign-file": true, "ca-sign-pass": true, "ca-verify-file": true, "client-sigalgs": true,
	"crt-ignore-err": true, "crt-list": true, "curves": true, "default-crt": true, "ecdhe": true, "expose-fd": true, "gid": true, "group": true,
	"guid-prefix": true, "idle-ping": true, "interface": true, "label": true, "level": true, "mode": true, "mss": true, "name": true,
	"nbconn": true, "nice": true, "npn": true, "ocsp-update": true, "process": true, "severity-output": true, "shards": true,
	"sigalgs": true, "tcp-ut": true, "thread": true, "tls-ticket-keys": true, "uid": true, "user": true}

// silent are the options that need no comment: their effect is there anyway, or belongs to another
// setting.
var silent = []string{"fastinter", "downinter", "id", "resolvers", "init-addr", "resolve-prefer", "resolve-opts", "cookie"}

// haOption is one option of a server with its value, if any.
type haOption struct{ name, value string }

// haOptions splits the words after the address of a server or a bind into options.
func haOptions(words []string) (all []haOption) {
	for i := 0; i < len(words); i++ {
		o := haOption{name: words[i]}
		if valued[o.name] && i+1 < len(words) {
			i++
			o.value = words[i]
		}
		all = append(all, o)
	}
	return all
}
