package ws

import (
	"net/http"
	"slices"
	"strings"
)

// hasToken reports whether a list header has the token, ignoring case.
func hasToken(h http.Header, name, token string) bool {
	return slices.ContainsFunc(list(h, name), func(t string) bool { return strings.EqualFold(t, token) })
}

// list returns the elements of a list header, of all its lines (RFC 9110,
// section 5.6.1).
func list(h http.Header, name string) (all []string) {
	for _, line := range h.Values(name) {
		for t := range strings.SplitSeq(line, ",") {
			if t = strings.Trim(t, " \t"); t != "" {
				all = append(all, t)
			}
		}
	}
	return all
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		ch := s[i]
		switch {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", ch) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// An extension is one element of Sec-WebSocket-Extensions (section 9.1).
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	hasValue    bool
}

// parseExtensions parses Sec-WebSocket-Extensions; ok is false if any part of it
// does not match the grammar. A quoted value must be a token (section 9.1), so
// it has no comma or semicolon, and splitting is safe.
func parseExtensions(h http.Header) (all []extension, ok bool) {
	for _, element := range list(h, "Sec-WebSocket-Extensions") {
		var e extension
		for i, part := range strings.Split(element, ";") {
			part = strings.Trim(part, " \t")
			if i == 0 {
				e.name = part
				if !isToken(part) {
					return nil, false
				}
				continue
			}
			var p param
			p.name, p.value, p.hasValue = strings.Cut(part, "=")
			p.name, p.value = strings.TrimRight(p.name, " \t"), strings.TrimLeft(p.value, " \t")
			if n := len(p.value); n >= 2 && p.value[0] == '"' && p.value[n-1] == '"' {
				p.value = p.value[1 : n-1]
			}
			if !isToken(p.name) || p.hasValue && !isToken(p.value) {
				return nil, false
			}
			e.params = append(e.params, p)
		}
		all = append(all, e)
	}
	return all, true
}
