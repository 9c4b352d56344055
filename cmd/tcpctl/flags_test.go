package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestWrongValuesOfFlags: the message names the flag, says without Go jargon what is wrong with the value, and
// ends with a hint.
func TestWrongValuesOfFlags(t *testing.T) {
	for line, want := range map[string]string{
		"completion nope": `completion needs a shell it knows: tcpctl completion bash, zsh, fish or powershell`,
		"proxy --listen ::1:80 --backend [::1]:1 --no-ui": `proxy: service "proxy": listen[0]: listen "::1:80" is not HOST:PORT: an IPv6 address is in brackets, like [::1]:5432`,
		"proxy --listen x --backend [::1]:1 --no-ui":      `proxy: service "proxy": listen[0]: listen "x" is not HOST:PORT; write it like 127.0.0.1:5432`,
		"proxy --listen :99999 --backend [::1]:1 --no-ui": `proxy: service "proxy": listen[0]: listen ":99999": there is no port "99999"; write it like 127.0.0.1:5432`,
		"proxy --listen unix: --backend [::1]:1 --no-ui":  `proxy: service "proxy": listen[0]: listen "unix:": a Unix socket's path has 1 to 100 bytes; write unix:/run/name.sock`,
		"proxy --listen [::1]:0 --backend x --no-ui":      `--backend "x" is not HOST:PORT; write it like 127.0.0.1:5432`,
		"weight db/a 99999999999999999999":                `weight 99999999999999999999 is out of range; it is a number from 0 to 1000000`,
		"weight db/a x":                                   `weight takes one whole number from 0, not "x"; 0 gives a backend no new sessions`,
		"report --json --markdown":                        `--json and --markdown are two forms: give one`,
		"debug nosuch":                                    `there is no command "debug nosuch"; tcpctl debug --help lists them`,
		"debug profil":                                    `there is no command "debug profil"; did you mean profile?`,
		"mesh nosuch":                                     `there is no command "mesh nosuch"; tcpctl mesh --help lists them`,
		"themes nosuch":                                   `there is no command "themes nosuch"; tcpctl themes --help lists them`,
		"demo --for 99999999h":                            `--for "99999999h" is out of range: the longest is 3650d; try: tcpctl demo --help`,
		"demo --for -5s":                                  `--for "-5s" is negative; try: tcpctl demo --help`,
		"sessions --older 5":                              `--older "5" is not a duration like 500ms, 30s, 5m or 1h30m; try: tcpctl sessions --help`,
		"ws --ping 99999999999999999999h":                 `--ping "99999999999999999999h" is out of range: the longest is 3650d; try: tcpctl ws --help`,
		"lock -l 1 -p 2 -t 99999999h":                     `-t "99999999h" is out of range: the longest is 3650d; write a duration like 20s, or milliseconds`,
		"lock -l 1 -p 2 -t 99999999999999999999":          `-t "99999999999999999999" is out of range: the longest is 3650d; write a duration like 20s, or milliseconds`,
		"lock -l 1 -p 2 -n 99999999999999999999":          `--slots "99999999999999999999" is out of range; try: tcpctl lock --help`,
		"debug profile --seconds x":                       `--seconds "x" is not a whole number; try: tcpctl debug profile --help`,
		"status --json=maybe":                             `--json "maybe" is not true or false; try: tcpctl status --help`,
		"pause db --max 99999999h":                        `--max "99999999h" is out of range: the longest is 3650d`,
		"roll db --min-up 99999999999":                    `--min-up "99999999999" is out of range: the most is 2147483647`,
		"history --since 99999999h":                       `--since: "99999999h" is out of range: the longest is 3650d; write a date, or now`,
		"resume db --rate 1e9/s":                          `--rate "1e9/s" is not a rate like 50/s or 3/m`,
	} {
		root := rootCommand()
		root.SetArgs(append(strings.Fields(line), "--socket", "/nowhere"))
		err := root.Execute()
		var c coded
		if err == nil || err.Error() != want || errors.As(err, &c) && c.status != exitUsage {
			t.Errorf("%s:\ngot  %v\nwant %s", line, err, want)
		}
	}
}

// TestHelpHasPeerWhereItWorks: a command's help has --peer only if it accepts it, and "all" only if it can be for all nodes.
func TestHelpHasPeerWhereItWorks(t *testing.T) {
	t.Parallel()
	var walk func(root *cobra.Command, path []string)
	ask := func(path []string, args ...string) (help, said string) {
		root := rootCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs(append(append([]string{}, path...), "--help"))
		root.Execute()
		root = rootCommand()
		root.SetOut(&bytes.Buffer{})
		root.SetArgs(append(append([]string{}, path...), append(args, "--socket", "/nowhere")...))
		return out.String(), fmt.Sprint(root.Execute())
	}
	walk = func(c *cobra.Command, path []string) {
		help, said := ask(path, "--peer", "x")
		if has, refused := strings.Contains(help, "--peer NODE"), strings.Contains(said, "does not take --peer"); has == refused {
			t.Errorf("%v: in the help %v; %s", path, has, said)
		}
		if _, said := ask(path, "--peer", "all"); strings.Contains(help, "--peer NODE") {
			if has, refused := strings.Contains(help, `"all": on every node`), strings.Contains(said, "is for one node"); has == refused {
				t.Errorf("%v: all is in the help %v; %s", path, has, said)
			}
		}
		for _, below := range c.Commands() {
			if below.IsAvailableCommand() && below.Name() != "help" {
				walk(below, append(append([]string{}, path...), below.Name()))
			}
		}
	}
	for _, c := range rootCommand().Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			walk(c, []string{c.Name()})
		}
	}
}
