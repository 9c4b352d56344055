//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestRule19CommandsRunWhereTheyBelong: a window's command runs where it was typed, a backend's
// restart in the engine. Both get their arguments unchanged, and a process group of their own.
func TestRule19CommandsRunWhereTheyBelong(t *testing.T) {
	t.Parallel()
	needs(t, "ps")
	b := startBackend(t, "a")
	dir := t.TempDir()
	// tell writes its folder, process group, process id and first argument.
	tell := filepath.Join(dir, "tell")
	script := "#!/bin/sh\nout=$1; shift\n{ pwd; ps -o pgid= -p $$; echo $$; printf '%s\\n' \"$1\"; } >$out.new\nmv $out.new $out\n"
	writeProgram(t, tell, script)
	const word = "$HOME; echo *"
	in := runConfigured(t, fmt.Sprintf(
		"[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [{ name = \"a\", addr = %q, restart = [%q, %q, %q] }]\n",
		b.addr, tell, filepath.Join(dir, "restart"), word))

	typed := exec.Command("tcpctl", "window", "db", "--socket", in.socket, "--", tell, filepath.Join(dir, "window"), word)
	typed.Dir = dir
	if out, err := typed.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	in.tcpctl("restart", "db/a")

	here, err := os.Getwd() // the engine's folder, too
	if err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"window": dir, "restart": here} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		said := strings.Split(string(text), "\n")
		group, _ := strconv.Atoi(strings.TrimSpace(said[1]))
		if real, _ := filepath.EvalSymlinks(folder); said[0] != folder && said[0] != real {
			t.Errorf("%s ran in %s, not %s", name, said[0], folder)
		}
		if strconv.Itoa(group) != said[2] || group == in.cmd.Process.Pid {
			t.Errorf("%s is process %s of group %d", name, said[2], group)
		}
		if said[3] != word {
			t.Errorf("%s got the word %q", name, said[3])
		}
	}
}
