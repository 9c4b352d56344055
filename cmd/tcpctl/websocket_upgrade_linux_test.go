package main

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// exchange sends a line, and compares the answer.
func (c *caller) exchange(line, want string) error {
	if status, err := c.told(); status != http.StatusSwitchingProtocols {
		return fmt.Errorf("answered %d: %w", status, c.err)
	} else if err != nil {
		return err
	}
	c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(c.conn, line); err != nil {
		return err
	}
	got, err := c.r.ReadString('\n')
	if err == nil && got != want+"\n" {
		err = fmt.Errorf("read %q, want %q", got, want)
	}
	return err
}

// servicesByPath runs services on one address, each with its own path and backend, all with the
// tokens of one file.
func servicesByPath(t *testing.T, tokens string, names ...string) (in *configured, visit func(name, token string) *caller) {
	t.Helper()
	addr, text := proxytest.FreePort(t), ""
	for _, name := range names {
		b := startBackend(t, "at "+name)
		text += fmt.Sprintf("[services.%s]\nlisten = %q\nbackends = [%q]\nws = { path = \"/desk/%[1]s\", auth = \"token:%[4]s\" }\n", name, addr, b.addr, tokens)
	}
	return runConfigured(t, text), func(name, token string) *caller {
		c := call("ws://" + addr + "/desk/" + name + "?token=" + token)
		t.Cleanup(c.end)
		return c
	}
}

// TestUpgradeOfServicesByPath: over two upgrades of an instance whose services share an address by
// path, WebSocket sessions continue, later clients reach the backend of their path, a token of the
// current file is required, and no token is ever printed.
func TestUpgradeOfServicesByPath(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	write(t, tokens, "secret-one\n")
	in, visit := servicesByPath(t, tokens, "a", "b", "c")
	live := map[string]*caller{}
	comes := func(when, token string) {
		t.Helper()
		for _, name := range []string{"a", "b", "c"} {
			c := visit(name, token)
			if err := c.exchange("hello", "at "+name+": hello"); err != nil {
				t.Fatalf("a client of %s that comes %s: %v", name, when, err)
			}
			live[name+" from "+when] = c
		}
	}
	goesOn := func(when string) {
		t.Helper()
		for _, who := range slices.Sorted(maps.Keys(live)) {
			if err := live[who].exchange(when, "at "+who[:1]+": "+when); err != nil {
				t.Errorf("%s, the client of %s: %v", when, who, err)
			}
		}
	}
	comes("before", "secret-one")
	pid := in.cmd.Process.Pid
	defer in.ends()
	for i, when := range []string{"after one upgrade", "after two"} {
		in.tcpctl("upgrade")
		pid = in.follow(pid)
		goesOn(when)
		comes(when, "secret-one")
		if status, _ := visit("b", "secret-wrong").told(); status != http.StatusUnauthorized {
			t.Errorf("%s, a wrong token is answered %d", when, status)
		}
		for _, s := range in.status().Services {
			if s.Sessions.Active != i+2 || s.Sessions.Cut+s.Sessions.Failed > 0 {
				t.Errorf("%s, %s: %+v", when, s.Name, s.Sessions)
			}
		}
	}
	write(t, tokens, "secret-two-and-longer\n")
	for began := time.Now(); ; restSince(began) {
		if status, _ := visit("c", "secret-one").told(); status == http.StatusUnauthorized {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the new process does not reread the tokens")
		}
	}
	comes("after the file has changed", "secret-two-and-longer")
	goesOn("at last")
	if said := in.log() + in.tcpctl("events") + in.tcpctl("sessions") + in.tcpctl("sessions", "--ended") + in.tcpctl("status", "--json"); strings.Contains(said, "secret") {
		t.Errorf("a token was printed:\n%s", said)
	}
}
