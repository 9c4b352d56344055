package reference

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// program is one kind of command that tcpctl runs, with its environment variables.
type program struct {
	name, keys, file, about string
	variables               []constant
}

// programs lists all of them. A variable that the source sets and that is missing here is an error.
var programs = []program{
	{"Hooks and restarts", "`before_next`, `on_ttl` and `on_expire` of `[services.NAME.hooks]`, `restart` of a backend", "proxy/hook_run.go", "A hook runs between clients of a locked service; an exit status of 0 is success, otherwise `on_error` applies. `tcpctl restart` and `tcpctl roll` run a restart after the backend's sessions have ended; a status other than 0 stops the plan.", []constant{
		{"TCPCTL_SERVICE", "the service"}, {"TCPCTL_BACKEND", "the backend; empty if none is chosen yet"},
		{"TCPCTL_SESSION", "the id of the session that a hook runs for; empty for a restart"}, {"TCPCTL_CLIENT", "the address of that session's client"},
		{"TCPCTL_COUNT", "number of clients admitted so far, including this one; 0 for a restart"}, {"TCPCTL_REASON", "why the command runs: before_next, on_ttl, on_expire or restart"},
		{"TCPCTL_TOKEN", "fencing token of the slot of a cluster-wide lock; empty otherwise"}}},
	{"Checks", "`[services.NAME.check]` `run`", "proxy/backend_check.go", "The check passes if the exit status is 0.", []constant{
		{"TCPCTL_SERVICE", "the service"}, {"TCPCTL_BACKEND", "the backend"}, {"TCPCTL_ADDR", "the backend's address"}}},
	{"Sources of backends", "`discover = \"exec:…\"`", "cmd/tcpctl/internal/discover/source_exec.go", "The command prints a JSON list of backends.", []constant{{"TCPCTL_SERVICE", "the service"}}},
	{"Notifications", "`[notify]` `run`", "cmd/tcpctl/internal/notify/notify.go", "The command gets the event as one line of JSON on standard input; see [events](events.md).", []constant{
		{"TCPCTL_EVENT", "the kind of the event"}, {"TCPCTL_SERVICE", "the service of the event; may be empty"}, {"TCPCTL_BACKEND", "the backend of the event; may be empty"}, {"TCPCTL_NODE", "this node's name"}}},
}

// assigned returns the variables that the source sets, by file.
func (s *source) assigned() map[string][]string {
	all := map[string][]string{}
	for path, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				if name, value, ok := strings.Cut(text, "="); ok && value == "" && strings.HasPrefix(name, "TCPCTL_") && !slices.Contains(all[path], name) {
					all[path] = append(all[path], name)
				}
			}
			return true
		})
	}
	return all
}

// inside reports whether a file's variables are only for tcpctl's own processes.
func inside(path string) bool {
	return strings.HasPrefix(path, "cmd/tcpctl/internal/upgrade/") || strings.HasPrefix(path, "cmd/tcpctl/internal/sshd/") || strings.HasPrefix(path, "cmd/tcpctl/internal/reference/")
}

func (s *source) environment() ([]byte, error) {
	m := newMarkdown("Environment of commands", "tcpctl runs commands without a shell, as lists of arguments, with its own environment and these variables. "+
		"The end of their output goes to the log. A command that exceeds its `timeout` gets TERM and shortly afterwards KILL, as do all processes that it started.")
	set := s.assigned()
	for _, p := range programs {
		m.heading(2, p.name)
		m.text(p.keys + ": " + p.about)
		var rows [][]string
		var named []string
		for _, v := range p.variables {
			rows = append(rows, []string{code(v.value), sentence(v.doc)})
			named = append(named, v.value)
		}
		slices.Sort(named)
		if got := slices.Sorted(slices.Values(set[p.file])); !slices.Equal(got, named) {
			return nil, fmt.Errorf("%s sets %v, and programs in internal/reference says %v", p.file, got, named)
		}
		delete(set, p.file)
		m.table([]string{"Variable", "Value"}, rows)
	}
	for _, path := range slices.Sorted(maps.Keys(set)) {
		if !inside(path) {
			return nil, fmt.Errorf("%s sets %v: give it a line in programs in internal/reference/environment.go", path, set[path])
		}
	}
	return m.Bytes(), nil
}
