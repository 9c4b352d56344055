package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/authkeys"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/proxy"
)

// check checks the values together; each key alone has already been checked.
func (f *File) check(r *report) {
	if f.Metrics.Listen != "" {
		r.address("metrics.listen", f.Metrics.Listen, true)
	}
	for i, kind := range f.Notify.On {
		if !slices.Contains(proxy.EventKinds, kind) {
			r.wrong(fmt.Sprintf("notify.on[%d]", i), suggest(kind, proxy.EventKinds), "unknown event %q", kind)
		}
	}
	for _, e := range (proxy.Config{MaxSessions: f.Limits.MaxSessions}).Validate() {
		r.wrong(e.Key, e.Hint, "%s", e.Text)
	}
	for i := range f.Services {
		f.Services[i].check(r, join("services", f.Services[i].Name))
	}
	f.checkListen(r)
	if f.Mesh != nil {
		f.Mesh.check(r)
	}
	if f.Cluster != nil {
		f.Cluster.check(r, f.Mesh)
	}
	f.checkScopes(r)
	f.checkConsole(r)
	f.Console.SSH.check(r)
}

// check reads the keys, to find a bad line before a client is refused or let in because of it.
func (c *ConsoleSSH) check(r *report) {
	if c.Listen == "" {
		return
	}
	r.address("console.ssh.listen", c.Listen, true)
	if c.AuthorizedKeys == "" {
		r.wrong("console.ssh.listen", "name a file of public keys: authorized_keys = \"/etc/tcpctl/authorized_keys\"", "the console over SSH has no authorized_keys: no client could connect")
		return
	}
	if c.HostKey != "" {
		if bad, ok := errors.AsType[*fileerror.Error](authkeys.CheckHostKey(c.HostKey)); ok {
			r.wrong("console.ssh.host_key", bad.Hint, "host_key: %s: %s", bad.File, bad.Text)
		}
	}
	_, err := authkeys.Read(c.AuthorizedKeys)
	if errors.Is(err, fs.ErrNotExist) {
		return // reported when the path was read
	}
	if bad, ok := errors.AsType[*fileerror.Error](err); ok {
		at := bad.File
		if bad.Line > 0 {
			at = fmt.Sprintf("%s:%d", bad.File, bad.Line)
		}
		r.wrong("console.ssh.authorized_keys", bad.Hint, "authorized_keys: %s: %s", at, bad.Text)
	}
}

func (m *Mesh) check(r *report) {
	if m.Name == "" {
		r.wrong("mesh.name", "nodes of the same name connect", "the mesh has no name")
	} else {
		r.checkName("mesh.name", "mesh", m.Name)
	}
	if m.Node != "" {
		r.checkName("mesh.node", "node", m.Node)
	}
	r.address("mesh.listen", m.Listen, true)
	for i, name := range m.Hubs {
		path := fmt.Sprintf("mesh.hubs[%d]", i)
		r.checkName(path, "hub", name)
		if slices.Index(m.Hubs, name) < i {
			r.wrong(path, "name each once", "hub %q is named twice", name)
		}
	}
	if len(m.Hubs) > 0 && m.SecretFile == "" {
		r.wrong("mesh.hubs", "tcpctl mesh key > FILE makes one: give all nodes the same, as mesh.secret_file", "hubs need the mesh's secret: without one nothing goes through other nodes")
	}
	for i, a := range m.Join {
		// A name without a port is looked up as a service record.
		path := fmt.Sprintf("mesh.join[%d]", i)
		if strings.Contains(a, ":") || a == "" {
			r.address(path, a, false)
		} else if _, err := netip.ParseAddr(a); err == nil {
			r.wrong(path, "add the port of that node's mesh.listen", "join %q: not HOST:PORT", a)
		}
	}
}

// checkConsole refuses two actions on one key, at the second one in the file.
func (f *File) checkConsole(r *report) {
	first := map[string]string{}
	for _, action := range f.boundActions() {
		key, path := f.Console.Keys[action], join("console.keys", action)
		other, taken := first[key]
		switch {
		case key == "":
			r.wrong(path, `write a key, such as "D" or "ctrl+r"`, "action %q has no key", action)
		case taken:
			r.wrong(path, "give one of them another key", "key %q is taken by action %q in line %d", key, other, r.lines.find(join("console.keys", other)).line)
		default:
			first[key] = action
		}
	}
}

// boundActions returns the actions in [console.keys], in the order of the file.
func (f *File) boundActions() []string {
	all := slices.Collect(maps.Keys(f.Console.Keys))
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(f.lines.find(join("console.keys", a)).compare(f.lines.find(join("console.keys", b))), strings.Compare(a, b))
	})
	return all
}

// CheckKeys asks the console, which alone knows its actions and their own
// keys, and gives what it says a line: that of the action without which all
// would be right. The error is of type Errors.
func (f *File) CheckKeys(console func(keys map[string]string) error) error {
	err := console(f.Console.Keys)
	if err == nil {
		return nil
	}
	blame := "console.keys"
	for _, action := range f.boundActions() {
		others := maps.Clone(f.Console.Keys)
		delete(others, action)
		if console(others) == nil {
			blame = join("console.keys", action)
		}
	}
	r := &report{name: f.name, lines: f.lines}
	r.wrong(blame, "", "%s", strings.TrimPrefix(err.Error(), "tui: "))
	return r.inOrder()
}

// checkName refuses names that could not be used on a command line, as in tcpctl drain
// SERVICE/BACKEND.
func (r *report) checkName(path, what, name string) {
	bad := func(c rune) bool { return c == '/' || unicode.IsSpace(c) || !unicode.IsPrint(c) }
	switch {
	case name == "":
		r.wrong(path, "give it a name", "a %s has no name", what)
	case strings.ContainsFunc(name, bad):
		r.wrong(path, "use letters, digits, - and _", "%s %q: a name has no space and no slash", what, name)
	case name[0] == '-':
		r.wrong(path, "commands would take it for a flag", "%s %q: a name does not begin with -", what, name)
	case len(name) > 64:
		r.wrong(path, "shorten it", "%s %q: a name has at most 64 bytes", what, name)
	}
}

func (r *report) address(path, addr string, listen bool) {
	if _, text, hint := parseEndpoint(addr, listen); text != "" {
		r.wrong(path, hint, "%s %q: %s", last(path), addr, text)
	}
}

func (r *report) needed(path, value, what string) {
	if value == "" {
		r.wrong(path, "it is "+what, "%s is missing", last(path))
	}
}
