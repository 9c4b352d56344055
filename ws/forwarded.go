package ws

import (
	"net/http"
	"strings"
)

// A Forwarded is one element of the Forwarded header (RFC 7239): what one proxy
// reports of the request that it received.
type Forwarded struct {
	For  string // the client: an address, possibly with a port, "unknown", or an obfuscated name; "" if absent
	Host string // the Host header of the request; "" if absent
}

// ParseForwarded parses the Forwarded headers of a request, the proxy nearest to
// the client first. An element that does not match the grammar is dropped with
// all before it, which a client may have written. Only the elements that the
// program's own proxies have added, at the end, can be trusted. It returns nil
// where there is none.
func ParseForwarded(h http.Header) []Forwarded {
	var all []Forwarded
	for _, element := range list(h, "Forwarded") {
		e, ok := parseForwarded(element)
		if !ok {
			all = nil
			continue
		}
		all = append(all, e)
	}
	return all
}

// parseForwarded parses one element, such as "for=192.0.2.60;host=example.com".
// No value of for and host has a comma or a semicolon in quotes, so splitting is
// safe. Addresses with colons and brackets must be quoted; some proxies send
// them without quotes, which is accepted.
func parseForwarded(element string) (e Forwarded, ok bool) {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, found := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !found || !isToken(name) {
			return e, false
		}
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		if strings.ContainsAny(value, "\"\\ \t") {
			return e, false
		}
		switch name = strings.ToLower(name); {
		case name == "for" && e.For == "":
			e.For = value
		case name == "host" && e.Host == "":
			e.Host = value
		case name == "for", name == "host":
			return e, false // twice (section 4): which of them a proxy has written is not known
		}
	}
	return e, true
}
