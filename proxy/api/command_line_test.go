package api

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestCommandLineIsForAShell: a shell that is given the command line of an act reads
// the same words, whatever they are.
func TestCommandLineIsForAShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	odd := []string{"db/a", "", "two words", "it's", `"`, "`touch x`", "$HOME", "#42", `back\slash`, "[::1]:5432", "*", "a{b,c}", "~", "!", "büro", "new\nline", "unix:/run/a b"}
	for _, word := range odd {
		r := Request{Act: "restart", Targets: []string{"db/" + word}, Args: []string{word}, Options: Options{Reason: word + "x"}}
		line, ok := strings.CutPrefix(r.CommandLine(), "tcpctl ")
		if !ok {
			t.Fatal(r.CommandLine())
		}
		out, err := exec.Command(sh, "-c", `printf '%s\0' `+line).Output()
		if err != nil {
			t.Errorf("%q: %v", line, err)
		}
		want := []string{"restart", "db/" + word, word, "--reason", word + "x", ""}
		if got := strings.Split(string(out), "\x00"); !slices.Equal(got, want) {
			t.Errorf("%q is %q, not %q", line, got, want)
		}
	}
}
