package main

import (
	"errors"
	"strings"
	"testing"
)

// TestWrongValuesOfFlags: the message names the flag, says what is wrong with the value in words that are not a Go
// program's, and ends with a hint.
func TestWrongValuesOfFlags(t *testing.T) {
	for line, want := range map[string]string{
		"demo --for 99999999h":                   `--for "99999999h" is out of range: the longest is 3650d; try: tcpctl demo --help`,
		"demo --for -5s":                         `--for "-5s" is negative; try: tcpctl demo --help`,
		"sessions --older 5":                     `--older "5" is not a duration like 500ms, 30s, 5m or 1h30m; try: tcpctl sessions --help`,
		"ws --ping 99999999999999999999h":        `--ping "99999999999999999999h" is out of range: the longest is 3650d; try: tcpctl ws --help`,
		"lock -l 1 -p 2 -t 99999999h":            `-t "99999999h" is out of range: the longest is 3650d; write a duration like 20s, or milliseconds`,
		"lock -l 1 -p 2 -t 99999999999999999999": `-t "99999999999999999999" is out of range: the longest is 3650d; write a duration like 20s, or milliseconds`,
		"lock -l 1 -p 2 -n 99999999999999999999": `--slots "99999999999999999999" is out of range; try: tcpctl lock --help`,
		"debug profile --seconds x":              `--seconds "x" is not a whole number; try: tcpctl debug profile --help`,
		"status --json=maybe":                    `--json "maybe" is not true or false; try: tcpctl status --help`,
		"pause db --max 99999999h":               `--max "99999999h" is out of range: the longest is 3650d`,
		"roll db --min-up 99999999999":           `--min-up "99999999999" is out of range: the most is 2147483647`,
		"history --since 99999999h":              `--since: "99999999h" is out of range: the longest is 3650d; write a date, or now`,
		"resume db --rate 1e9/s":                 `--rate "1e9/s" is not a rate like 50/s or 3/m`,
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
