package importer

import (
	"net/netip"
	"slices"
)

// accessRules are rules about the addresses of clients. In haproxy and nginx the first that matches decides. In
// tcpctl denials decide first, and a list of addresses that are allowed keeps all others out.
type accessRules struct {
	rules   []accessRule
	decided bool // by a rule for all clients, after which no other matters
	closed  bool // clients whom no rule allows are rejected
}

type accessRule struct {
	allow bool
	only  bool   // it rejects the others, and leaves those that it allows to the rules after it
	what  string // address or network
	file  string // instead of what: a file of such
}

// add adds the rules of one directive, and returns how tcpctl's decision differs, if it does.
func (a *accessRules) add(rules []accessRule) (reason string) {
	if a.decided {
		return ""
	}
	for i, r := range rules {
		for j, was := range slices.Concat(a.rules, rules[:i]) {
			earlier := j < len(a.rules) // of another directive
			switch {
			case r.file != "" && was.file != "" && r.file != was.file && was.allow == r.allow:
				return "a service has one allow_file and one deny_file"
			case earlier && was.allow && r.allow && (was.only || r.only):
				return "a service has one list of addresses that are allowed, and none within it"
			case was.allow && !was.only && !r.allow && was.overlaps(r):
				reason = "it denies clients that a rule before it allows, too: in tcpctl, denials decide first"
			}
		}
	}
	a.rules = append(slices.Clip(a.rules), rules...) // sections share what they inherit
	a.closed = a.closed || slices.ContainsFunc(rules, func(r accessRule) bool { return r.only })
	return reason
}

// all adds a rule for all clients.
func (a *accessRules) all(allow bool) {
	if !a.decided {
		a.decided, a.closed = true, a.closed || !allow
	}
}

func (r accessRule) overlaps(other accessRule) bool {
	one, err1 := network(r.what)
	two, err2 := network(other.what)
	return err1 != nil || err2 != nil || one.Overlaps(two) // a file may have any
}

// network parses a network, or an address as the network of it alone.
func network(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}

// set sets the keys of a service.
func (a *accessRules) set(keys *table) {
	lists, files := map[bool][]string{}, map[bool]string{}
	for _, r := range a.rules {
		switch {
		case r.allow && !a.closed: // so are all others
		case r.file != "":
			files[r.allow] = r.file
		default:
			lists[r.allow] = append(lists[r.allow], r.what)
		}
	}
	if a.closed && len(lists[true]) == 0 && files[true] == "" {
		lists[false] = []string{"0.0.0.0/0", "::/0"}
	}
	for _, allow := range []bool{true, false} {
		name := map[bool]string{true: "allow", false: "deny"}[allow]
		setIf(keys, name, len(lists[allow]) > 0, array(lists[allow]))
		setIf(keys, name+"_file", files[allow] != "", quote(files[allow]))
	}
}
