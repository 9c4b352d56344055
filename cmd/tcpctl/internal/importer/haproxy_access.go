package importer

import (
	"cmp"
	"slices"
	"strings"
)

// haAccess is one rule that accepts or rejects clients.
type haAccess struct {
	in      *haSection // which has its acls
	line    int
	words   []string
	set     string // of rules, which decide one after the other
	accept  bool
	unknown string // why, if it has no counterpart
	noted   bool   // it is in a comment
}

// haSets are the sets of rules in the order in which haproxy asks them, wherever they stand in the file.
var haSets = []string{"tcp-request connection", "tcp-request session", "tcp-request content", "http-request", "use_backend"}

const (
	unknownRule  = "accept and reject are translated for all clients, or by the client's address; see also new_sessions_per_ip"
	moreRejected = "only its conditions on the client's address are translated, so more clients are rejected: adjust allow and deny"
)

// accessRule keeps "tcp-request SET ACTION [if CONDITION]" and "http-request ACTION [if CONDITION]", with
// their older forms, which are translated together.
func (s *haSection) accessRule(n int, w []string) string {
	r := &haAccess{in: s, line: n, words: w, set: "http-request", unknown: httpOnly}
	action := w[1:]
	switch w[0] {
	case "tcp-request":
		r.unknown = unknownRule
		if len(w) > 1 {
			r.set, action = w[0]+" "+w[1], w[2:]
		}
	case "redirect", "block":
		action = w
	}
	if len(action) == 0 || !slices.Contains(haSets, r.set) {
		return r.unknown
	}
	switch action[0] {
	case "accept", "allow":
		r.accept = true
	case "reject", "silent-drop", "deny", "tarpit", "auth", "block":
	case "redirect", "return":
		if !r.bySource() { // as most: to https, for those without it
			return r.unknown
		}
	default:
		return r.unknown
	}
	s.settings.access = append(slices.Clip(s.settings.access), r)
	return ""
}

// access translates the rules of a frontend and its backend, which admit the clients that both admit.
func (p *haParser) access(s *service, sections ...*haSection) {
	var a accessRules
	for _, set := range haSets {
		for _, of := range sections {
			hello := false // those with a ClientHello are accepted
			for _, r := range of.settings.access {
				if r.set != set {
					continue
				}
				reason := r.unknown
				if set != "use_backend" || p.nowhere(r.words[1]) {
					reason = r.apply(&a, &hello)
				}
				if reason != "" && !r.noted {
					r.noted = true
					p.translated--
					p.commented++
					s.notes = append(s.notes, note{r.line, strings.Join(r.words, " "), reason})
				}
			}
			a.next()
		}
	}
	a.set(&s.keys)
}

// untranslated returns notes about the section's own rules, for a section that no service comes from.
func (s *haSection) untranslated() (all []note) {
	for _, r := range s.settings.access {
		if r.in.name == s.name && !r.noted {
			all = append(all, note{r.line, strings.Join(r.words, " "), "no service comes from this section"})
		}
	}
	return all
}

// apply applies the rule, and returns how tcpctl's decision differs, if it does. Where it cannot be the same, an
// accept admits fewer, and so does a reject if it says whom it spares.
func (r *haAccess) apply(a *accessRules, hello *bool) (reason string) {
	alternatives, unless, ok := r.condition()
	if !ok || r.accept && unless {
		return r.unknown
	}
	if unless {
		alternatives = [][]haTerm{none(alternatives)}
	}
	for _, terms := range alternatives {
		var why string
		if r.accept {
			why = acceptAll(a, hello, terms)
		} else {
			why = rejectAll(a, *hello, terms)
		}
		if why == unknownRule {
			why = r.unknown
		}
		if why != "" {
			reason = why
		}
	}
	return reason
}

// condition returns the alternatives of the rule's condition.
func (r *haAccess) condition() (alternatives [][]haTerm, unless, ok bool) {
	i := slices.IndexFunc(r.words, func(w string) bool { return w == "if" || w == "unless" })
	if i < 0 {
		return [][]haTerm{nil}, false, true
	}
	alternatives, ok = r.in.terms(r.words[i+1:])
	return alternatives, r.words[i] == "unless", ok
}

// bySource reports whether the rule's condition is about the client's address, too.
func (r *haAccess) bySource() bool {
	alternatives, _, _ := r.condition()
	return slices.ContainsFunc(slices.Concat(alternatives...), func(t haTerm) bool { return t.has(isSourceCondition) })
}

// none returns terms that are met if no alternative is. One of several terms counts as never met.
func none(alternatives [][]haTerm) (all []haTerm) {
	for _, terms := range alternatives {
		t := haTerm{any: [][]string{{"of several"}}}
		if len(terms) == 1 {
			t = terms[0]
		}
		t.not = !t.not
		all = append(all, t)
	}
	return all
}

// acceptAll accepts the clients that meet all terms.
func acceptAll(a *accessRules, hello *bool, terms []haTerm) (reason string) {
	var of []clients
	waits := false // for a ClientHello
	for _, t := range terms {
		found, exact := t.clients()
		switch {
		case t.has(isAlways) && !t.not:
		case t.has(isHello) && !t.not:
			waits = true
		case t.not || len(found) == 0 || len(of) > 0:
			return unknownRule
		default:
			of = found
			if !exact {
				reason = unknownRule
			}
		}
	}
	switch {
	case len(of) > 0:
		return cmp.Or(a.accept(of), reason)
	case waits:
		*hello = true
	default:
		a.all(true)
	}
	return ""
}

// rejectAll rejects the clients that meet all terms.
func rejectAll(a *accessRules, hello bool, terms []haTerm) (reason string) {
	terms = slices.DeleteFunc(slices.Clone(terms), func(t haTerm) bool { return t.has(isAlways) && !t.not })
	var of, spared []clients
	spares := false
	for _, t := range terms {
		found, exact := t.clients()
		switch {
		case t.not && t.has(isHello): // tcpctl waits for a ClientHello where it needs one
			return ""
		case t.has(isLoad):
			return unknownRule
		case t.not:
			spares, spared = true, append(spared, found...)
		case of == nil:
			of = found
		}
		if !exact || len(terms) > 1 && !t.not {
			reason = moreRejected
		}
	}
	switch {
	case len(of) > 0:
		return cmp.Or(a.reject(of), reason)
	case spares:
		return cmp.Or(a.keep(spared), reason)
	case len(terms) > 0:
		return unknownRule
	case !hello: // otherwise it rejects those without a ClientHello
		a.all(false)
	}
	return ""
}

// has reports whether a condition of the term is of a kind.
func (t haTerm) has(kind func([]string) bool) bool { return slices.ContainsFunc(t.any, kind) }

// clients returns the clients that meet the term, whether negated or not. If it is not exact, others may, too.
func (t haTerm) clients() (all []clients, exact bool) {
	exact = true
	for _, c := range t.any {
		some, ok := haClients(c)
		all, exact = append(all, some...), exact && ok
	}
	return all, exact
}

// haClients returns the clients of a condition on the client's address.
func haClients(w []string) (all []clients, ok bool) {
	if !isSourceCondition(w) {
		return nil, false
	}
	ok = true
	for i := 1; i < len(w); i++ {
		switch {
		case w[i] == "-i" || w[i] == "-n" || w[i] == "--":
		case w[i] == "-f" && i+1 < len(w):
			i++
			all = append(all, clients{file: w[i]})
		case strings.HasPrefix(w[i], "-"):
			return nil, false
		default:
			c, err := network(w[i])
			if err != nil {
				ok = false
				continue
			}
			all = append(all, c)
		}
	}
	return all, ok
}
