package importer

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// draft is a tcpctl configuration under construction.
type draft struct {
	source      string
	services    []*service
	maxSessions string
	notes       []note // about lines that belong to no service

	translated, commented int
}

// note is a line that could not be translated, or whose meaning differs, and why.
type note struct {
	line   int // 0: of several lines
	text   string
	reason string
}

// key is a key of a table, with its value as TOML.
type key struct{ name, value string }

type table []key

// set sets a key, in place if it exists.
func (t *table) set(name, value string) {
	if i := slices.IndexFunc(*t, func(k key) bool { return k.name == name }); i >= 0 {
		(*t)[i].value = value
		return
	}
	*t = append(*t, key{name, value})
}

func (t *table) remove(name string) {
	*t = slices.DeleteFunc(*t, func(k key) bool { return k.name == name })
}

func (t table) get(name string) string {
	for _, k := range t {
		if k.name == name {
			return k.value
		}
	}
	return ""
}

type service struct {
	name     string
	listen   []string
	keys     table
	backends []table
	tables   map[string]*table // check, passive, queue, tls
	notes    []note

	access        accessRules // of nginx
	verifyClients bool        // of nginx
	closed        bool        // of nginx: a rule without a counterpart may reject any client
}

// table returns the service's table with a name.
func (s *service) table(name string) *table {
	if s.tables == nil {
		s.tables = map[string]*table{}
	}
	if s.tables[name] == nil {
		s.tables[name] = &table{}
	}
	return s.tables[name]
}

// add adds a service with a unique name.
func (d *draft) add(name string) *service {
	name = serviceName(name)
	taken := func(s *service) bool { return s.name == name }
	for base, n := name, 2; slices.ContainsFunc(d.services, taken); n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	s := &service{name: name}
	d.services = append(d.services, s)
	return s
}

var noName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// serviceName returns a name that tcpctl accepts.
func serviceName(name string) string {
	name = cmp.Or(strings.Trim(noName.ReplaceAllString(name, "-"), "-."), "service")
	return name[:min(len(name), 60)]
}

// dropEmpty removes services without backends, or without addresses. Their notes say why.
func (d *draft) dropEmpty() {
	d.services = slices.DeleteFunc(d.services, func(s *service) bool {
		empty := len(s.listen) == 0 || len(s.backends) == 0 && len(*s.table("discover")) == 0
		if empty {
			d.notes = append(d.notes, s.notes...)
		}
		return empty
	})
}

// write writes the draft as TOML.
func (d *draft) write(w io.Writer) {
	fmt.Fprintf(w, "# From %s, by tcpctl import. Its lines in comments have no exact counterpart here.\n# Check the file with: tcpctl check -c FILE\n", comment(d.source))
	writeNotes(w, d.source, d.notes)
	if d.maxSessions != "" {
		fmt.Fprintf(w, "\n[limits]\nmax_sessions = %s\n", d.maxSessions)
	}
	for _, s := range d.services {
		s.write(w, d.source)
	}
}

func (s *service) write(w io.Writer, source string) {
	s.trustAll()
	head := "services." + tomlKey(s.name)
	fmt.Fprintf(w, "\n[%s]\n", head)
	writeNotes(w, source, s.notes)
	fmt.Fprintf(w, "listen = %s\n", list(s.listen))
	for _, k := range s.keys {
		fmt.Fprintf(w, "%s = %s\n", k.name, k.value)
	}
	if len(s.backends) > 0 {
		s.writeBackends(w)
	}
	for _, name := range []string{"discover", "check", "passive", "queue", "tls"} {
		if t := *s.table(name); len(t) > 0 {
			fmt.Fprintf(w, "\n[%s.%s]\n", head, name)
			for _, k := range t {
				fmt.Fprintf(w, "%s = %s\n", k.name, k.value)
			}
		}
	}
}

func (s *service) writeBackends(w io.Writer) {
	fmt.Fprintln(w, "backends = [")
	for _, b := range s.backends {
		var all []string
		for _, k := range b {
			all = append(all, k.name+" = "+k.value)
		}
		fmt.Fprintf(w, "  { %s },\n", strings.Join(all, ", "))
	}
	fmt.Fprintln(w, "]")
}

// trustAll makes the service accept PROXY headers from every client, as haproxy and nginx do,
// unless the trusted proxies are given.
func (s *service) trustAll() {
	if s.keys.get("accept_proxy") != "true" || s.keys.get("trusted_proxies") != "" {
		return
	}
	s.keys.set("trusted_proxies", array(everybody)+" # name your proxies: another client could lie about its address")
}

// listens drops addresses that another covers. 0.0.0.0 and [::] together are ":PORT": every address of the
// machine in both families.
func listens(all []string) (kept []string) {
	any := func(addr string) bool {
		host := addr[:max(strings.LastIndexByte(addr, ':'), 0)]
		return host == "" || host == "0.0.0.0" || host == "[::]"
	}
	for _, addr := range all {
		port := addr[strings.LastIndexByte(addr, ':')+1:]
		both := slices.Contains(all, "0.0.0.0:"+port) && slices.Contains(all, "[::]:"+port) || slices.Contains(all, ":"+port)
		if both && any(addr) {
			addr = ":" + port
		} else if both || slices.Contains(all, "0.0.0.0:"+port) && !any(addr) && addr[0] != '[' {
			continue
		}
		if !slices.Contains(kept, addr) {
			kept = append(kept, addr)
		}
	}
	return kept
}

// settle leaves out addresses at which an earlier service listens, and gives each backend a name of its own.
func (d *draft) settle() {
	for i, s := range d.services {
		s.listen = slices.DeleteFunc(listens(s.listen), func(addr string) bool {
			for _, other := range d.services[:i] {
				if !(s.keys.get("sni") != "" && other.keys.get("sni") != "") && slices.ContainsFunc(other.listen, func(o string) bool { return overlap(o, addr) }) {
					s.notes = append(s.notes, note{0, "listen " + addr, "the service " + other.name + " already listens there"})
					return true
				}
			}
			return false
		})
		names := map[string]bool{}
		for _, b := range s.backends {
			name := b.get("name")
			for n := 2; names[b.get("name")]; n++ {
				b.set("name", strings.TrimSuffix(name, `"`)+"-"+strconv.Itoa(n)+`"`)
			}
			names[b.get("name")] = true
		}
	}
}

func overlap(one, two string) bool {
	a, err1 := proxy.ParseAddress(one, true)
	b, err2 := proxy.ParseAddress(two, true)
	return err1 == nil && err2 == nil && a.Overlaps(b)
}

// isNoServerName reports whether no client can ask for a name.
func isNoServerName(name string) bool {
	c := proxy.ServiceConfig{SNI: []string{name}}
	return slices.ContainsFunc(c.Validate(), func(e *proxy.ValueError) bool { return e.Key == "sni[0]" })
}

func writeNotes(w io.Writer, source string, notes []note) {
	for _, n := range notes {
		at := comment(source)
		if n.line > 0 {
			at += ":" + strconv.Itoa(n.line)
		}
		fmt.Fprintf(w, "# %s: %s\n#   %s\n", at, comment(n.text), comment(n.reason))
	}
}

// comment makes a text fit for a TOML comment, which must have no control characters.
func comment(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return strings.TrimSpace(text)
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func tomlKey(name string) string {
	if bareKey.MatchString(name) {
		return name
	}
	return quote(name)
}

// quote formats a text as a basic TOML string.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(text, "?") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// list formats texts as a TOML string, or an array of strings.
func list(texts []string) string {
	if len(texts) == 1 {
		return quote(texts[0])
	}
	return array(texts)
}

func array(texts []string) string {
	var all []string
	for _, t := range texts {
		all = append(all, quote(t))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// duration formats a time as in the configuration, in the largest unit without a fraction.
func duration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d != 0 && d%u.unit == 0 {
			return quote(strconv.FormatInt(int64(d/u.unit), 10) + u.name)
		}
	}
	if d == 0 {
		return quote("0s")
	}
	return quote(strconv.FormatInt(max(d.Milliseconds(), 1), 10) + "ms")
}

// parseTime parses a number with a unit, by default the given one. Longer units are tried first,
// since "ms" also ends in "s".
func parseTime(text string, unit time.Duration) (time.Duration, bool) {
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = rest, u.unit
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > int64(365*24*time.Hour/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
