package importer

import (
	"regexp"
	"slices"
	"strings"
)

// rule translates rules about clients: by address, or by the server name in TLS.
func (s *haSection) rule(n int, w []string) (reason string) {
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
		return s.useBackend(n, w)
	}
	return s.accessRule(n, w)
}

func isNameCondition(c []string) bool {
	return c[0] == "req_ssl_sni" || c[0] == "req.ssl_sni" || c[0] == "ssl_fc_sni" || c[0] == "req.ssl_sni,lower"
}

func isSourceCondition(c []string) bool { return c[0] == "src" }

func isAlways(c []string) bool { return c[0] == "always_true" || c[0] == "wait_end" }

var load = regexp.MustCompile(`^(src_|sc[0-9]?_|table_|fe_|be_|srv_|nbsrv|connslots|queue|avg_queue|rand|stopping)`)

// isLoad reports whether a condition is about rates, counters or numbers of servers, and not about the client's address.
func isLoad(c []string) bool { return load.MatchString(c[0]) && c[0] != "src_is_local" }

// isHello reports whether a condition waits for a ClientHello, which tcpctl does by itself.
func isHello(c []string) bool {
	return strings.HasPrefix(c[0], "req_ssl_hello_type") || strings.HasPrefix(c[0], "req.ssl_hello_type") || strings.HasPrefix(c[0], "req.ssl_ver") || strings.HasPrefix(c[0], "req_ssl_ver")
}

// haTerm is one term of a condition: an acl's name, or a condition in braces.
type haTerm struct {
	not bool
	any [][]string // the conditions, of which one must be met
}

// predefined are acls that each section has.
var predefined = map[string][][]string{"TRUE": {{"always_true"}}, "WAIT_END": {{"wait_end"}}, "LOCALHOST": {{"src", "127.0.0.0/8", "::1"}}}

// terms parses a condition: alternatives, each of terms that must all be met. An unknown acl is a
// condition of its name.
func (s *haSection) terms(w []string) (alternatives [][]haTerm, ok bool) {
	var all []haTerm
	not := false
	for len(w) > 0 {
		word, bang := strings.CutPrefix(w[0], "!")
		not = not != bang
		w = w[1:]
		switch {
		case word == "":
		case word == "or" || word == "||":
			alternatives, all = append(alternatives, all), nil
		case word == "{":
			end := slices.Index(w, "}")
			if end < 1 {
				return nil, false
			}
			all = append(all, haTerm{not, [][]string{w[:end]}})
			w, not = w[end+1:], false
		default:
			any := s.acls[word]
			if any == nil {
				any = [][]string{{word}}
			}
			all, not = append(all, haTerm{not, any}), false
		}
	}
	alternatives = append(alternatives, all)
	return alternatives, !slices.ContainsFunc(alternatives, func(a []haTerm) bool { return len(a) == 0 })
}

const oneCondition = "a backend is selected by a single condition, on the name in the ClientHello"

// useBackend translates "use_backend NAME if CONDITION". By another condition than a name, clients can only be rejected.
func (s *haSection) useBackend(n int, w []string) string {
	if len(w) == 2 {
		s.settings.defaultBackend = w[1]
		return ""
	}
	if len(w) < 4 || strings.ContainsAny(w[1], "%[") {
		return oneCondition
	}
	other := func() string {
		s.settings.access = append(slices.Clip(s.settings.access), &haAccess{in: s, line: n, words: w, set: w[0], unknown: oneCondition})
		return ""
	}
	alternatives, ok := s.terms(w[3:])
	if !ok || w[2] != "if" {
		return other()
	}
	r := haRule{backend: w[1]}
	for _, all := range alternatives {
		if len(all) > 1 || all[0].not {
			return other()
		}
		for _, c := range all[0].any {
			if !isNameCondition(c) {
				return other()
			}
			names, ok := haNames(c[1:])
			if !ok {
				return "names are translated that are whole (-i, -m str), or ends of names (-m end .example.com)"
			}
			r.names, r.ended = append(r.names, names...), c[0] == "ssl_fc_sni"
		}
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
	return names, len(names) > 0 && !slices.ContainsFunc(names, isNoServerName)
}
