package ws

import (
	"net/http"
	"strings"
)

// A Forwarded is one element of the header of that name (RFC 7239): what one
// proxy says of the request that it got.
type Forwarded struct {
	For  string // the client: an address, with a port perhaps, "unknown", or a name that hides it
	Host string // what was asked for
}

// ParseForwarded reads the Forwarded header, the proxy nearest to the client
// first. Before an element that is not what the grammar allows nothing counts:
// a client can have written it, to hide what it stands before. No value that
// matters has a comma or a semicolon in quotes, so splitting is safe.
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

// parseForwarded reads "for=192.0.2.60;host=example.com". Addresses with
// colons and brackets ought to be in quotes; proxies send them without, too.
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
		switch strings.ToLower(name) {
		case "for":
			e.For = value
		case "host":
			e.Host = value
		}
	}
	return e, true
}
