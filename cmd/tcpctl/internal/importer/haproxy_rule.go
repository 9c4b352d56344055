package importer

import (
	"slices"
	"strings"
)

// rule translates rules about clients: by address, or by the server name in TLS.
func (s *haSection) rule(w []string) (reason string) {
	switch w[0] {
	case "acl":
		if len(w) < 3 {
			return "an acl has a name and a condition"
		}
		s.acls[w[1]] = append(s.acls[w[1]], w[2:])
		if !isNameCondition(w[2:]) && !isSourceCondition(w[2:]) && !isHello(w[2:]) {
			return "only conditions on the client's address and on the name in its ClientHello are translated"
		}
		return ""
	case "default_backend":
		if len(w) != 2 {
			return "default_backend has a name"
		}
		s.settings.defaultBackend = w[1]
		return ""
	case "use_backend":
		return s.useBackend(w)
	}
	return s.tcpRequest(w)
}

func isNameCondition(c []string) bool {
	return c[0] == "req_ssl_sni" || c[0] == "req.ssl_sni" || c[0] == "ssl_fc_sni" || c[0] == "req.ssl_sni,lower"
}

func isSourceCondition(c []string) bool { return c[0] == "src" }

// isHello reports whether a condition waits for a ClientHello, which tcpctl does by itself.
func isHello(c []string) bool {
	return strings.HasPrefix(c[0], "req_ssl_hello_type") || strings.HasPrefix(c[0], "req.ssl_hello_type") || strings.HasPrefix(c[0], "req.ssl_ver") || strings.HasPrefix(c[0], "req_ssl_ver")
}

// conditions resolves the words after "if": one condition in braces, or the name of an acl. ok is
// false for more than one, and for unknown ones.
func (s *haSection) conditions(w []string) (all [][]string, negated, ok bool) {
	if len(w) == 0 {
		return nil, false, false
	}
	if w[0] == "!" {
		negated, w = true, w[1:]
	} else if rest, cut := strings.CutPrefix(w[0], "!"); cut {
		negated = true
		w = append([]string{rest}, w[1:]...)
	}
	if len(w) > 2 && w[0] == "{" && w[len(w)-1] == "}" {
		inside := w[1 : len(w)-1]
		if slices.Contains(inside, "{") || slices.Contains(inside, "}") {
			return nil, false, false
		}
		return [][]string{inside}, negated, true
	}
	if len(w) == 1 && s.acls[w[0]] != nil {
		return s.acls[w[0]], negated, true
	}
	return nil, false, false
}

const oneCondition = "only a single condition, on the client's address or the name in its ClientHello, is translated"

// useBackend translates "use_backend NAME if CONDITION".
func (s *haSection) useBackend(w []string) string {
	if len(w) == 2 {
		s.settings.defaultBackend = w[1]
		return ""
	}
	if len(w) < 4 || w[2] != "if" || strings.ContainsAny(w[1], "%[") {
		return oneCondition
	}
	all, negated, ok := s.conditions(w[3:])
	if !ok || negated {
		return oneCondition
	}
	r := haRule{backend: w[1]}
	for _, c := range all {
		if !isNameCondition(c) {
			return oneCondition
		}
		names, ok := haNames(c[1:])
		if !ok {
			return "names are translated that are whole (-i, -m str), or ends of names (-m end .example.com)"
		}
		r.names = append(r.names, names...)
	}
	s.rules = append(s.rules, r)
	return ""
}

// haNames returns the names of a condition on a ClientHello.
func haNames(w []string) (names []string, ok bool) {
	ends := false
	for i := 0; i < len(w); i++ {
		switch {
		case w[i] == "-i" || w[i] == "--":
		case w[i] == "-m" && i+1 < len(w):
			i++
			if w[i] != "str" && w[i] != "end" {
				return nil, false
			}
			ends = w[i] == "end"
		case strings.HasPrefix(w[i], "-"):
			return nil, false
		case ends:
			if !strings.HasPrefix(w[i], ".") {
				return nil, false
			}
			names = append(names, "*"+strings.ToLower(w[i]))
		default:
			names = append(names, strings.ToLower(w[i]))
		}
	}
	return names, len(names) > 0
}

// tcpRequest translates "tcp-request connection|content accept|reject [if CONDITION]".
func (s *haSection) tcpRequest(w []string) string {
	const unknown = "of tcp-request, accept and reject by the client's address are translated; see also new_sessions_per_ip"
	if len(w) < 3 || w[2] != "accept" && w[2] != "reject" {
		return unknown
	}
	accept := w[2] == "accept"
	if len(w) == 3 {
		if accept || w[1] != "content" || !s.settings.hello { // otherwise it rejects those without a ClientHello
			s.settings.access.all(accept)
		}
		return ""
	}
	if w[3] != "if" && w[3] != "unless" {
		return unknown
	}
	all, negated, ok := s.conditions(w[4:])
	if w[3] == "unless" {
		negated = !negated
	}
	if !ok || accept && negated {
		return unknown
	}
	var rules []accessRule
	for _, c := range all {
		switch {
		case isHello(c) && (accept || negated):
			s.settings.hello = s.settings.hello || accept
		case isSourceCondition(c):
			more, ok := addressRules(c[1:], accessRule{allow: accept || negated, only: negated})
			if !ok {
				return unknown
			}
			rules = append(rules, more...)
		default:
			return unknown
		}
	}
	return s.settings.access.add(rules)
}

// addressRules returns rules like one for the addresses of a condition.
func addressRules(w []string, like accessRule) (all []accessRule, ok bool) {
	for i := 0; i < len(w); i++ {
		r := like
		switch {
		case w[i] == "-f" && i+1 < len(w):
			i++
			r.file = w[i]
		default:
			if _, err := network(w[i]); err != nil {
				return nil, false
			}
			r.what = w[i]
		}
		all = append(all, r)
	}
	return all, len(all) > 0
}
