package reference

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands describes each command, in the groups of tcpctl --help.
func commands(root *cobra.Command) []byte {
	m := newMarkdown("Commands", "Every command of tcpctl with its flags. Exit statuses: 0 done, even if nothing had to be done; 1 refused or failed; "+
		"2 wrong usage or bad configuration; 3 a time limit passed first; 4 no majority of a cluster could be asked, and nothing was done. Targets are `SERVICE`, `SERVICE/BACKEND` or a session's id.")
	var rows [][]string
	for _, c := range visible(root) {
		rows = append(rows, []string{code(c.CommandPath()), c.Short})
	}
	m.table([]string{"Command", "What it does"}, rows)
	m.heading(2, "Flags of every command")
	m.flags(root.PersistentFlags())
	m.heading(2, code("tcpctl"))
	m.text(sentence(root.Short) + " Without a command, tcpctl opens the console of the running instance, or runs the configuration if there is none.")
	m.flags(root.LocalNonPersistentFlags())
	for _, c := range visible(root) {
		m.command(c)
	}
	return m.Bytes()
}

// visible returns the visible commands below c, each before its subcommands.
func visible(c *cobra.Command) (all []*cobra.Command) {
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() && below.Name() != "help" {
			all = append(append(all, below), visible(below)...)
		}
	}
	return all
}

func (m *markdown) command(c *cobra.Command) {
	m.heading(2, code(c.CommandPath()))
	m.text(sentence(c.Short))
	if c.Long != "" && c.Name() != "completion" && (c.Parent() == nil || c.Parent().Name() != "completion") {
		m.text(c.Long)
	}
	m.block("", c.UseLine())
	m.flags(c.LocalNonPersistentFlags())
	if c.Example != "" {
		m.block("sh", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n  ", "\n"))
	}
}

func (m *markdown) flags(f *pflag.FlagSet) {
	var rows [][]string
	f.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if kind != "" {
			name += " " + kind
		}
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		def := f.DefValue
		if def == "false" || def == "[]" || def == "0" || def == "0s" {
			def = ""
		}
		rows = append(rows, []string{code(name), sentence(usage), code(def)})
	})
	m.table([]string{"Flag", "Meaning", "Default"}, rows)
}
