package importer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// haSection is a section of haproxy.cfg.
type haSection struct {
	kind, name string
	settings   haSettings
	binds      []haBind
	servers    []haServer
	acls       map[string][][]string // the conditions of each name, of which any may be met
	rules      []haRule
	stats      bool // it shows haproxy's statistics
	notes      []note
	used       bool // of a backend section: a frontend uses it
}

// haSettings are the settings that a section inherits from defaults.
type haSettings struct {
	disabled       bool
	http, checkTLS bool
	checkOption    string // the last that says how servers are checked, such as httpchk
	balance        string
	source         string
	maxSessions    string
	retries        string
	defaultBackend string
	server         []string // the words of default-server
	timeouts       map[string]time.Duration
	check          table
	access         []*haAccess
}

// haRule is one use_backend: the backend for clients that send these names.
type haRule struct {
	backend string
	names   []string
	ended   bool // the frontend ends the TLS in which the names are: ssl_fc_sni
}

type haBind struct {
	listen      []string
	acceptProxy bool
	cert        string
	clientCA    string // of certificates that clients must have
}

type haServer struct {
	line int
	name string
	addr string
	many bool // a server for each address of its name
	opts []string
}

// haParser reads one file.
type haParser struct {
	*draft
	defaults map[string]*haSettings
	last     *haSettings // of the last defaults section
	sections []*haSection
	current  *haSection
	skipped  bool // in a section that has no counterpart
}

// haproxy translates a haproxy.cfg.
func (d *draft) haproxy(text []byte) error {
	p := &haParser{draft: d, defaults: map[string]*haSettings{}, last: &haSettings{timeouts: map[string]time.Duration{}}}
	for n, raw := range strings.Split(string(text), "\n") {
		words, err := haWords(raw)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", d.source, n+1, err)
		}
		if len(words) > 0 {
			p.line(n+1, words)
		}
	}
	p.build()
	return nil
}

// line parses one line that is not empty.
func (p *haParser) line(n int, words []string) {
	switch words[0] {
	case "frontend", "backend", "listen", "defaults", "global":
		p.begin(words)
		return
	case "peers", "resolvers", "userlist", "mailers", "cache", "program", "ring", "log-forward", "http-errors", "fcgi-app", "crt-store", "traces", "acme":
		p.current, p.skipped = nil, true
		p.note(n, words, "tcpctl has no such section")
		return
	}
	switch {
	case p.skipped:
		p.commented++
	case p.current == nil:
		p.note(n, words, "it stands in no section")
	default:
		if reason := p.current.directive(p.draft, n, words); reason != "" {
			p.note(n, words, reason)
			return
		}
		p.translated++
	}
}

// begin begins a section.
func (p *haParser) begin(words []string) {
	s := &haSection{kind: words[0], acls: maps.Clone(predefined)}
	if len(words) > 1 {
		s.name = words[1]
	}
	from := p.last
	if i := slices.Index(words, "from"); i > 0 && i+1 < len(words) && p.defaults[words[i+1]] != nil {
		from = p.defaults[words[i+1]]
	}
	p.current, p.skipped = s, false
	switch s.kind {
	case "global":
	case "defaults":
		s.settings.timeouts = map[string]time.Duration{}
		if len(words) > 3 { // defaults NAME from OTHER
			s.settings = from.clone()
		}
		p.last = &s.settings
		p.defaults[s.name] = p.last
	default:
		s.settings = from.clone()
		p.sections = append(p.sections, s)
		if len(words) > 2 && words[2] != "from" { // listen NAME ADDR, from before haproxy 1.5
			s.bind(words[2:])
		}
	}
}

func (s *haSettings) clone() haSettings {
	c := *s
	c.timeouts = map[string]time.Duration{}
	for name, d := range s.timeouts {
		c.timeouts[name] = d
	}
	c.check = slices.Clone(s.check)
	c.server = slices.Clone(s.server)
	return c
}

// note keeps a line as a comment, at its section's service.
func (p *haParser) note(n int, words []string, reason string) {
	p.commented++
	to := &p.notes
	if s := p.current; s != nil && s.kind != "global" && s.kind != "defaults" {
		to = &s.notes
	}
	*to = append(*to, note{n, strings.Join(words, " "), reason})
}

var errQuote = errors.New("a quotation mark has no counterpart")

// haWords returns the words of a line: haproxy has both kinds of quotes, which may begin within a
// word, backslashes, and comments.
func haWords(line string) (words []string, err error) {
	var word strings.Builder
	var quoted rune
	begun := false
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	escaped := false
	for _, r := range strings.TrimRight(line, "\r") {
		switch {
		case escaped:
			if i := strings.IndexRune("nrt", r); i >= 0 {
				r = rune("\n\r\t"[i])
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quoted != '\'':
			escaped, begun = true, true
		case quoted != 0 && r == quoted:
			quoted = 0
		case quoted != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quoted, begun = r, true
		case r == '#':
			end()
			return words, nil
		case r == ' ' || r == '\t':
			end()
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quoted != 0 {
		return nil, errQuote
	}
	end()
	return words, nil
}
