package discover

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Kinds of sources.
const (
	KindDNS    = "dns"    // the addresses of a name
	KindSRV    = "srv"    // the targets of a service record
	KindConsul = "consul" // the passing instances of a service
	KindExec   = "exec"   // what a program prints
	KindFile   = "file"   // what a file has
)

// Spec says what is asked for a service's backends, and how.
type Spec struct {
	// Name tells the sources of one service apart. What an operator does to a
	// source's backends, and the set itself, stay with it over a reload.
	Name string
	// From is KIND:WHAT: "dns:db.internal:5432", "srv:_db._tcp.example.com",
	// "consul:db?tag=primary&addr=127.0.0.1:8500", "exec:/path", "file:/path".
	From string
	// Run is the program of an exec source with its arguments. "": From's path.
	Run []string
	// Server is the name server of a dns or srv source, "host" or "host:port".
	// "": those of the system, and its files.
	Server string
	// Refresh is the longest time between two questions; an answer may be valid
	// for less (its TTL). A file is read again every second, and Consul reports
	// changes by itself, whatever Refresh is. 0: DefaultRefresh.
	Refresh time.Duration
	// Timeout bounds one question. 0: DefaultTimeout.
	Timeout time.Duration
	// Hold is how long answers must leave out more than half of the set before
	// it is removed. 0: they are believed at once.
	Hold time.Duration
	// Backend has the values that the source says nothing about.
	Backend proxy.BackendConfig
}

// Defaults of a Spec, and the shortest Refresh.
const (
	DefaultRefresh = 30 * time.Second
	DefaultTimeout = 5 * time.Second
	MinRefresh     = time.Second
)

// Error says which part of a Spec is wrong: "from", "run" or "dns_server".
type Error struct{ Key, Text, Hint string }

func (e *Error) Error() string { return e.Text }

func wrong(key, hint, format string, args ...any) *Error {
	return &Error{Key: key, Text: fmt.Sprintf(format, args...), Hint: hint}
}

// Kind is the first word of From.
func (s *Spec) Kind() string {
	kind, _, _ := strings.Cut(s.From, ":")
	return kind
}

// What is From without its first word: what is asked for.
func (s *Spec) What() string {
	_, what, _ := strings.Cut(s.From, ":")
	return what
}

// Asked is what is asked for, for people: From without its first word, or the
// program.
func (s *Spec) Asked() string {
	if len(s.Run) > 0 {
		return s.Run[0]
	}
	what, _, _ := strings.Cut(s.What(), "?")
	return what
}

// Validate says what is wrong with s, as an *Error; nil: nothing.
func (s *Spec) Validate() error {
	if err := s.validateFrom(); err != nil {
		return err
	}
	switch kind := s.Kind(); {
	case kind != KindExec && len(s.Run) > 0:
		return wrong("run", `take it out, or write from = "exec:"`, "run does nothing with a source of the kind %s", kind)
	case kind != KindDNS && kind != KindSRV && s.Server != "":
		return wrong("dns_server", "take it out", "dns_server does nothing with a source of the kind %s", kind)
	}
	if s.Server != "" {
		if _, err := serverAddr(s.Server); err != nil {
			return wrong("dns_server", `write an address, such as "10.0.0.2" or "10.0.0.2:53"`, "dns_server %q is not an address", s.Server)
		}
	}
	return nil
}

func (s *Spec) validateFrom() error {
	kind, what, ok := strings.Cut(s.From, ":")
	hint := `write "srv:_db._tcp.example.com", "dns:db.example.com:5432", "consul:db", "exec:/path/of/program" or "file:/path"`
	switch {
	case !ok:
		return wrong("from", hint, "%q does not say where backends are found", s.From)
	case what == "" && !(kind == KindExec && len(s.Run) > 0):
		return wrong("from", hint, "%q does not say what to ask for", s.From)
	}
	switch kind {
	case KindDNS:
		_, _, err := splitHostPort(what)
		return err
	case KindSRV:
		return validateSRV(what)
	case KindConsul:
		_, err := parseConsul(what)
		return err
	case KindExec:
		if what != "" && len(s.Run) > 0 {
			return wrong("run", `write from = "exec:" beside run`, "from and run both name a program")
		}
		return nil
	case KindFile:
		return nil
	}
	return wrong("from", hint, "unknown source %q", kind)
}

// validateSRV refuses what cannot be the name of a service record.
func validateSRV(name string) error {
	if strings.ContainsAny(name, ":/ \t") || !validName(name) {
		return wrong("from", `write "srv:_db._tcp.example.com"`, "%q is not the name of a service record", name)
	}
	return nil
}

// splitHostPort parses the "host:port" of a dns source.
func splitHostPort(what string) (host, port string, err error) {
	host, port, split := net.SplitHostPort(what)
	n, bad := strconv.Atoi(port)
	if split != nil || host == "" || bad != nil || n < 1 || n > 65535 || !validName(host) {
		return "", "", wrong("from", `write "dns:db.example.com:5432"`, "%q is not HOST:PORT", what)
	}
	return host, port, nil
}

// consulQuery is a parsed "consul:SERVICE?KEY=VALUE&…".
type consulQuery struct {
	service string
	tags    []string
	addr    string // "": CONSUL_HTTP_ADDR, else 127.0.0.1:8500
	dc      string
	token   string // path of a file with the ACL token
}

func parseConsul(what string) (q consulQuery, err error) {
	name, query, _ := strings.Cut(what, "?")
	values, err := url.ParseQuery(query)
	if err != nil || name == "" || strings.ContainsAny(name, "/ \t") {
		return q, wrong("from", `write "consul:db?tag=primary&addr=127.0.0.1:8500"`, "%q is not SERVICE?KEY=VALUE&…", what)
	}
	q = consulQuery{service: name, tags: values["tag"], addr: values.Get("addr"), dc: values.Get("dc"), token: values.Get("token_file")}
	for key := range values {
		switch key {
		case "tag", "addr", "dc", "token_file":
		default:
			return q, wrong("from", "it is one of tag, addr, dc and token_file", "unknown key %q of a consul source", key)
		}
	}
	return q, nil
}

// argv returns the command of an exec source.
func (s *Spec) argv() []string {
	if len(s.Run) > 0 {
		return s.Run
	}
	return []string{s.What()}
}

func (s *Spec) refresh() time.Duration {
	return max(cmp.Or(s.Refresh, DefaultRefresh), MinRefresh)
}

func (s *Spec) timeout() time.Duration { return cmp.Or(s.Timeout, DefaultTimeout) }

// open creates the source. It succeeds for a Spec that Validate accepts.
func (s *Spec) open(service string) (source, error) {
	switch s.Kind() {
	case KindDNS:
		return newDNSSource(s)
	case KindSRV:
		return &srvSource{newResolver(s), s.What(), s.timeout(), map[string]netip.Addr{}}, nil
	case KindConsul:
		q, err := parseConsul(s.What())
		return &consulSource{query: q, timeout: s.timeout()}, err
	case KindExec:
		return &execSource{argv: s.argv(), service: service, timeout: s.timeout()}, nil
	case KindFile:
		return &fileSource{path: s.What()}, nil
	}
	return nil, s.Validate()
}
