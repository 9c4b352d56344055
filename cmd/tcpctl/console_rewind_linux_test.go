package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestRewindAfterARestart: after a process was killed and started again, the console of the new one
// shows moments of the old one: a backend before and after its death, a pause, and a note.
func TestRewindAfterARestart(t *testing.T) {
	t.Parallel()
	a, b := startBackend(t, "a"), startBackend(t, "b")
	config := fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\ncheck = { interval = \"100ms\", rise = 1 }\nbackends = [{ name = \"a\", addr = %q }, { name = \"b\", addr = %q }]\n[history]\nfile = %q\n",
		a.addr, b.addr, filepath.Join(t.TempDir(), "history.db"))
	in := runConfigured(t, config)
	state := func(want string) {
		t.Helper()
		in.until("b is "+want, func(s *proxy.ServiceInfo) bool { return s.Backends[1].State == want })
	}
	// Each state lasts for a while: a moment is one recorded second.
	hold := func() time.Time {
		time.Sleep(1500 * time.Millisecond)
		at := time.Now()
		time.Sleep(1500 * time.Millisecond)
		return at
	}
	state(proxy.StateUp)
	healthy := hold()
	b.die()
	state(proxy.StateDown)
	dead := hold()
	in.tcpctl("mark", "OPS-77")
	in.tcpctl("pause", "db", "--reason", "patch")
	paused := hold()
	in.tcpctl("resume", "db")
	hold()
	in.cmd.Process.Signal(syscall.SIGKILL)
	in.cmd.Wait()

	in = runConfigured(t, config)
	term := openTerminal(t, 100, 30, nil, "attach", "--socket", in.socket)
	term.sees(`LIVE`)
	at := func(moment time.Time, patterns ...string) {
		t.Helper()
		term.rewinds(moment, "REWIND "+moment.Format(time.TimeOnly))
		for _, p := range patterns {
			term.sees(p)
		}
	}
	at(healthy, `[+] (UP|IDLE) +a `, `[+] (UP|IDLE) +b `)
	at(dead, `[+] (UP|IDLE) +a `, `! DOWN +b `)
	at(paused, `PAUSED +db `, `! DOWN +b `, `OPS-77`)
	term.press("d")
	term.sees(`acts are off`)
	// The report of the period is written where the console says, but not over an existing file.
	for _, form := range []string{"html", "md", "json"} {
		name := filepath.Join(t.TempDir(), "night."+form)
		write := func() {
			term.press("e")
			term.sees(`━ incident `)
			term.press("w")
			term.sees(`write to: .*\.html`)
			term.press("C-u")
			term.tmux("send-keys", "-t", "t", "-l", name)
			term.sees("night." + form)
			term.press("Enter")
		}
		write()
		term.sees(`written to /.*`)
		text, err := os.ReadFile(name)
		for _, part := range []string{"OPS-77", "db/b", "patch"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s has no %q, %v", name, part, err)
			}
		}
		term.escapes(`━ incident `)
		term.press("n")
		write()
		term.sees(`file exists`)
		term.escapes(`━ incident `)
		term.press("n")
		if again, _ := os.ReadFile(name); string(again) != string(text) {
			t.Errorf("%s was written over", name)
		}
	}
	term.press("0")
	term.sees(`LIVE .*`)
	term.seesNot(`REWIND`)
}
