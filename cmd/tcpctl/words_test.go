package main

import (
	"slices"
	"testing"
)

func TestArgv(t *testing.T) {
	for command, want := range map[string][]string{
		`restart-soffice`:                {"restart-soffice"},
		`  sh -c 'kill  $(pidof x)' `:    {"sh", "-c", "kill  $(pidof x)"},
		`a "b c" d\ e "f\"g" '' h"i"'j'`: {"a", "b c", "d e", `f"g`, "", "hij"},
		``:                               nil,
	} {
		if got, err := argv(command); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", command, got, err, want)
		}
	}
	for _, bad := range []string{`a "b`, `a 'b`, `a\`} {
		if got, err := argv(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}
