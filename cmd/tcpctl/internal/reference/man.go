package reference

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
)

// pages are the references with a manual page of their own.
var pages = []struct{ name, section, file, about string }{
	{"tcpctl.toml", "5", "config.md", "configuration of tcpctl"},
	{"tcpctl-json", "7", "json.md", "JSON that tcpctl prints"},
	{"tcpctl-events", "7", "events.md", "events and reasons of tcpctl"},
	{"tcpctl-metrics", "7", "metrics.md", "metrics of tcpctl"},
	{"tcpctl-access-log", "5", "access-log.md", "access log of tcpctl"},
	{"tcpctl-hooks", "7", "hooks.md", "environment of commands that tcpctl runs"},
	{"tcpctl-api", "7", "api.md", "control API of tcpctl"},
}

var (
	link     = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	comments = regexp.MustCompile(`(?s)<!--.*?-->\n*`)
	title    = regexp.MustCompile(`(?m)^# .*\n`)
)

// manPages adds the manual pages to the files, one for each command and each reference. They have
// no date, so that builds are reproducible.
func manPages(root *cobra.Command, files map[string][]byte) {
	files["man/tcpctl.1"] = page("tcpctl", "1", root.Short, overview(root))
	for _, c := range visible(root) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		m := &markdown{}
		m.heading(1, "SYNOPSIS")
		m.text("**" + escaped(c.UseLine()) + "**")
		m.heading(1, "DESCRIPTION")
		m.text(sentence(c.Short))
		if c.Long != "" && !strings.HasPrefix(name, "tcpctl-completion") {
			m.text(c.Long)
		}
		m.heading(1, "OPTIONS")
		m.flags(c.LocalNonPersistentFlags())
		m.flags(root.PersistentFlags())
		if c.Example != "" {
			m.heading(1, "EXAMPLE")
			m.block("", c.Example)
		}
		m.heading(1, "SEE ALSO")
		m.text("**tcpctl**(1), **tcpctl.toml**(5)")
		files["man/"+name+".1"] = page(name, "1", c.Short, m.Bytes())
	}
	for _, p := range pages {
		text := title.ReplaceAll(comments.ReplaceAll(files[p.file], nil), []byte("# DESCRIPTION\n"))
		files[fmt.Sprintf("man/%s.%s", p.name, p.section)] = page(p.name, p.section, p.about, text)
	}
}

// overview returns the page of tcpctl itself: the commands in the groups of --help, and what
// applies to all of them.
func overview(root *cobra.Command) []byte {
	m := &markdown{}
	m.heading(1, "SYNOPSIS")
	m.text("**tcpctl** *COMMAND* [*FLAGS*]")
	m.text("**tcpctl** [**-c** *FILE*]")
	m.heading(1, "DESCRIPTION")
	m.text("tcpctl is a proxy in front of TCP services. It checks their backends, sends each client to one that is up, and holds clients in a first-come-first-served queue " +
		"while no backend is up, while all slots are taken, or while an operator works on the backends. Operators act on it while clients are connected.")
	m.text("Without a command, tcpctl opens the console of the running instance, or runs the configuration if there is none. " +
		"Each command has its own page, such as **tcpctl-drain**(1); **tcpctl** *COMMAND* **--help** prints the same.")
	for _, g := range root.Groups() {
		m.heading(1, strings.ToUpper(strings.TrimSuffix(g.Title, ":")))
		for _, c := range root.Commands() {
			if c.GroupID == g.ID && c.IsAvailableCommand() {
				m.term(strings.TrimSuffix(c.UseLine(), " [flags]"), sentence(c.Short))
			}
		}
	}
	m.heading(1, "OPTIONS")
	m.flags(root.PersistentFlags())
	m.flags(root.LocalNonPersistentFlags())
	for _, list := range []struct {
		title string
		of    []constant
	}{{"EXIT STATUS", exitStatuses}, {"SIGNALS", signals}, {"ENVIRONMENT", environment}, {"FILES", paths}} {
		m.heading(1, list.title)
		for _, c := range list.of {
			m.term(c.value, c.doc)
		}
	}
	m.heading(1, "EXAMPLES")
	m.text("Try tcpctl on loopback; run a service with two backends; drain one of them until its clients are gone:")
	m.block("", "tcpctl demo\ntcpctl proxy --listen :5432 --backend 10.0.0.11:5432 --backend 10.0.0.12:5432\ntcpctl drain proxy/10.0.0.11:5432 --wait")
	m.text("Hold clients while a database restarts:")
	m.block("", "tcpctl window db --reason 'kernel patch' -- systemctl restart postgresql")
	m.heading(1, "SEE ALSO")
	var all []string
	for _, p := range pages {
		all = append(all, fmt.Sprintf("**%s**(%s)", p.name, p.section))
	}
	m.text(strings.Join(all, ", "))
	return m.Bytes()
}

var exitStatuses = []constant{
	{"0", "Done, even if nothing had to be done."},
	{"1", "Refused, or failed."},
	{"2", "Wrong usage, or a bad configuration."},
	{"3", "A time limit passed first."},
	{"4", "No majority of a cluster could be asked; nothing was done."},
}

var signals = []constant{
	{"TERM, INT", "Stop: close listeners, and give waiters and live sessions the grace period to end; a second signal stops at once."},
	{"HUP", "Reload the configuration. With a console, the terminal is lost: the instance goes on without one."},
	{"USR1", "Reopen the log files, after a rotation."},
	{"USR2", "Upgrade to the binary now installed at this one's path (Linux)."},
}

var environment = []constant{
	{"XDG_RUNTIME_DIR", "Folder of the control socket of an ordinary user."},
	{"STATE_DIRECTORY, XDG_STATE_HOME", "Folder of state and history; systemd sets the first."},
	{"NO_COLOR", "If set, the console and tables have no colours."},
	{"TCPCTL_*", "Set for commands that tcpctl runs: see **tcpctl-hooks**(7)."},
}

var paths = []constant{
	{"/etc/tcpctl/tcpctl.toml", "The configuration; an ordinary user's is **~/.config/tcpctl/tcpctl.toml**."},
	{"/run/tcpctl/tcpctl.sock", "The control socket of an instance that runs as root or as the package's unit."},
	{"/var/lib/tcpctl", "State and history; an ordinary user's are in **~/.local/state/tcpctl**."},
}

// term writes an entry of a definition list.
func (m *markdown) term(name, text string) {
	m.WriteString("**" + escaped(name) + "**\n: " + text + "\n\n")
}

func escaped(text string) string {
	return strings.NewReplacer("<", `\<`, "*", `\*`).Replace(text)
}

// page converts Markdown to a manual page. Links become their texts, code becomes bold.
func page(name, section, about string, text []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%% \"%s\" \"%s\" \"\" \"tcpctl\" \"tcpctl\"\n\n# NAME\n\n%s - %s\n\n", strings.ToUpper(name), section, name, strings.TrimSuffix(about, "."))
	b.Write(link.ReplaceAll(listed(text), []byte("$1")))
	return append(bytes.TrimRight(md2man.Render(b.Bytes()), "\n"), '\n')
}

// listed turns tables into paragraphs, as a manual page cannot show a table wider than the
// terminal.
func listed(text []byte) []byte {
	var out bytes.Buffer
	var heads []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") {
			if !strings.HasPrefix(line, "|--") {
				heads = nil
				out.WriteString(line)
			}
			continue
		}
		row := cells(line)
		if heads == nil {
			heads = row
			continue
		}
		out.WriteString("**" + escaped(strings.Trim(row[0], "`")) + "**\n: " + entry(heads, row) + "\n\n")
	}
	return out.Bytes()
}

// entry returns a row without its name, the meaning first.
func entry(heads, row []string) string {
	text, rest := "", ""
	for i, c := range row[1:] {
		switch head := heads[i+1]; {
		case c == "":
		case head == "Meaning" || strings.HasPrefix(head, "What") || head == "When" || head == "Value" || head == "Is":
			text = c
		default:
			rest += " " + head + ": " + c + "."
		}
	}
	return strings.TrimSpace(text + rest)
}

// cells splits a row of a table.
func cells(line string) (all []string) {
	line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00")
	for _, c := range strings.Split(strings.Trim(line, "|"), "|") {
		all = append(all, strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|"))
	}
	return all
}
