package reference

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
)

// pages are the references that have a manual page of their own.
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

// manPages adds the manual pages to the files, one for each command and one
// for each reference. They have no date: a build of the same source is the same.
func manPages(root *cobra.Command, files map[string][]byte) error {
	files["man/tcpctl.1"] = page("tcpctl", "1", root.Short, overview(root))
	for _, c := range visible(root) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		m := &markdown{}
		m.heading(1, "SYNOPSIS")
		m.text("**" + strings.ReplaceAll(strings.ReplaceAll(c.UseLine(), "<", `\<`), "*", `\*`) + "**")
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
	return nil
}

func overview(root *cobra.Command) []byte {
	m := &markdown{}
	m.heading(1, "SYNOPSIS")
	m.text("**tcpctl** *COMMAND* [*FLAGS*]")
	m.heading(1, "DESCRIPTION")
	m.text(sentence(root.Short) + " Without a command it runs the configuration that it finds, or attaches to the instance that runs.")
	m.heading(1, "COMMANDS")
	for _, c := range visible(root) {
		m.text("**" + c.CommandPath() + "**: " + sentence(c.Short))
	}
	m.heading(1, "OPTIONS")
	m.flags(root.PersistentFlags())
	m.flags(root.LocalNonPersistentFlags())
	m.heading(1, "EXIT STATUS")
	m.text("0: done, also where the goal had been reached before. 1: refused or failed. 2: wrong usage or bad configuration. 3: a time limit passed first.")
	m.heading(1, "FILES")
	m.text("**/etc/tcpctl/tcpctl.toml**: the configuration. **/run/tcpctl/tcpctl.sock**: the control socket. **/var/lib/tcpctl**: state and history.")
	m.heading(1, "SEE ALSO")
	var all []string
	for _, p := range pages {
		all = append(all, fmt.Sprintf("**%s**(%s)", p.name, p.section))
	}
	m.text(strings.Join(all, ", "))
	return m.Bytes()
}

// page makes one manual page of Markdown. Links are their texts, and code is
// bold, as manuals have it.
func page(name, section, about string, text []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%% \"%s\" \"%s\" \"\" \"tcpctl\" \"tcpctl\"\n\n# NAME\n\n%s - %s\n\n", strings.ToUpper(name), section, name, strings.TrimSuffix(about, "."))
	b.Write(link.ReplaceAll(listed(text), []byte("$1")))
	return append(bytes.TrimRight(md2man.Render(b.Bytes()), "\n"), '\n')
}

// listed turns tables into paragraphs: a table wider than a terminal cannot be
// read in a manual.
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
		out.WriteString("**" + strings.ReplaceAll(strings.Trim(row[0], "`"), "*", `\*`) + "**\n: " + entry(heads, row) + "\n\n")
	}
	return out.Bytes()
}

// entry is all of a row but its name: what it means first.
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
