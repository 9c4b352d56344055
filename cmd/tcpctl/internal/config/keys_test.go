package config

import (
	"strings"
	"testing"
)

// The keys are exactly those that the decoder accepts.
func TestKeysAreTheDecoders(t *testing.T) {
	decoded := map[string]bool{}
	for _, l := range lenient(t, "tcpctl.toml", allOfInit()).leaves() {
		decoded[l.pattern] = true
	}
	said := map[string]bool{}
	for _, k := range Keys() {
		if said[k.Path] {
			t.Errorf("%s is listed twice", k.Path)
		}
		if said[k.Path] = true; !decoded[k.Path] && (k.Optional || !isTable(k.Kind)) {
			t.Errorf("Keys has %s, and the decoder does not", k.Path)
		}
	}
	for path := range decoded {
		if !said[path] {
			t.Errorf("the decoder takes %s, and Keys does not have it", path)
		}
	}
}

// Each key has an example value that the decoder accepts.
func TestExamplesAreRight(t *testing.T) {
	for _, k := range Keys() {
		if isTable(k.Kind) || k.Optional {
			continue
		}
		if k.Example == "" || k.Example == `""` || k.Example == "[]" {
			t.Errorf(`%s has no example: write # e.g. "…" behind it in init.toml, or give it the tag example`, k.Path)
			continue
		}
		_, err := parse("a.toml", []byte(snippet(k)), false)
		for _, line := range strings.Split(errorText(err), "\n") { // other errors, about incomplete tables, are expected
			if strings.Contains(line, "unknown") || strings.Contains(line, last(k.Path)+" is ") || strings.Contains(line, last(k.Path)+" = ") {
				t.Errorf("%s: %s", k.Path, line)
			}
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// snippet is a key with its example, below the header of its table.
func snippet(k Key) string {
	table, key := "", k.Path
	if i := strings.LastIndexByte(k.Path, '.'); i > 0 {
		table, key = k.Path[:i], k.Path[i+1:]
	}
	line := key + " = " + k.Example + "\n"
	if table == "" {
		return line
	}
	table = strings.Replace(table, "services.*", "services.db", 1)
	if of, list := strings.CutSuffix(table, ".*"); list {
		return "[[" + of + "]]\n" + line
	}
	return "[" + table + "]\n" + line
}
