//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestConsoleOverSSH: OpenSSH's client shows the console. The key's comment is the operator's name,
// a read-only key cannot act, a reload with a bad file changes nothing, one that removes a key
// closes its console, and an upgrade keeps address and host key.
func TestConsoleOverSSH(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("no " + program + " here")
		}
	}
	term := openTerminal(t, 80, 24, nil, "version")
	term.sees("exit 0")
	path := func(name string) string { return filepath.Join(term.dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	line := map[string]string{}
	for _, who := range []string{"ana@laptop", "bob"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", path(who)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
		public, err := os.ReadFile(path(who + ".pub"))
		if err != nil {
			t.Fatal(err)
		}
		line[who] = string(public)
	}
	write("keys", line["ana@laptop"]+`environment="TCPCTL_ACCESS=read" `+line["bob"])
	addr := proxytest.FreePort(t)
	write("t.toml", "[services.db]\nlisten = \""+proxytest.FreePort(t)+"\"\nbackends = [{ name = \"a\", addr = \""+proxytest.FreePort(t)+"\" }]\n[console.ssh]\nlisten = \""+addr+"\"\nauthorized_keys = \"keys\"\n")
	cmd := exec.Command("tcpctl", "run", "--no-ui", "-c", path("t.toml"), "--socket", term.socket)
	cmd.Env = append(os.Environ(), "STATE_DIRECTORY="+path("state"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if _, err := waitReady(term.socket); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(addr, ":")
	ssh := func(who string) {
		t.Helper()
		term.tmux("respawn-window", "-k", "-t", "t", "ssh -tt -p "+port+" -i "+path(who)+" -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="+path("known")+
			" edge@127.0.0.1; echo exit $?; exec sleep 600")
	}
	tcpctl := func(args ...string) (string, error) {
		out, err := exec.Command("tcpctl", append(args, "--socket", term.socket)...).CombinedOutput()
		return string(out), err
	}

	ssh("ana@laptop")
	term.sees(`@ssh +LIVE .* RW `)
	term.press("m")
	term.sees(`maint db/a\? \[y/N\]`)
	term.press("y")
	term.sees(`= MAINT +a`)
	if out, err := tcpctl("events"); err != nil || !strings.Contains(out, "ana@laptop: maint db/a") {
		t.Errorf("%v\n%s", err, out)
	}
	term.tmux("resize-window", "-t", "t", "-x", "40", "-y", "10")
	term.until("not in 40 columns", func(s string) bool { return strings.Contains(s, "= MAINT") && !strings.Contains(s, "CHECK") })
	term.tmux("resize-window", "-t", "t", "-x", "80", "-y", "24")
	term.press("q")
	term.sees("exit 0") // the screen is as it was

	ssh("bob")
	term.sees(` RO `)
	term.press("u")
	term.sees("read-only")
	write("keys", line["ana@laptop"]+"rubbish\n")
	if out, err := tcpctl("reload"); err == nil || !strings.Contains(out, "keys:2: it is no public key") {
		t.Errorf("%v\n%s", err, out)
	}
	term.sees(` RO `)
	write("keys", line["ana@laptop"])
	if out, err := tcpctl("reload"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	term.sees(`exit 255`) // bob's key is no longer there

	if out, err := tcpctl("upgrade"); err != nil {
		t.Skipf("no upgrade here: %v\n%s", err, out)
	}
	ssh("ana@laptop")
	term.sees(`@ssh +LIVE .* RW `)
	term.sees(`= MAINT +a`)
}
