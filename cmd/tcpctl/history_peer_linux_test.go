package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
)

// TestTheHistoryOfAnotherNode: with nodes on different hosts, --peer shows the other node's
// history, top and report, and a console that opened the other node rewinds it.
func TestTheHistoryOfAnotherNode(t *testing.T) {
	t.Parallel()
	s := newSegment(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(mesh.NewSecret()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, one := s.node("edge-01", secret, filepath.Join(t.TempDir(), "h.db"))
	_, two := s.node("edge-02", secret, filepath.Join(t.TempDir(), "h.db"))
	one.membersAlive(1)
	two.membersAlive(1)
	historyOfAnother(t, one, two, "edge-02", "w")
}

// TestTheHistoryOfAnotherNodeOnLoopback does the same without network namespaces.
func TestTheHistoryOfAnotherNodeOnLoopback(t *testing.T) {
	t.Parallel()
	all := nodes(t, 2, true)
	historyOfAnother(t, all[0], all[1], "edge-2", "db")
}

// historyOfAnother pauses a service of the second node, and reads its history from the first.
func historyOfAnother(t *testing.T, one, two *running, name, service string) {
	t.Helper()
	began := time.Now()
	two.tcpctl("mark", "OPS-78")
	two.tcpctl("pause", service, "--reason", "patch")
	time.Sleep(1200 * time.Millisecond)
	paused := time.Now()
	time.Sleep(1500 * time.Millisecond)
	two.tcpctl("resume", service)
	time.Sleep(2 * time.Second) // the newest moment that can be shown is 2 s old
	since := began.Add(-time.Second).Format(time.RFC3339)
	for _, words := range []string{"history --kind operator", "history --kind operator --json", "report", "report --html"} {
		args := append(strings.Fields(words), "--since", since, "--peer", name)
		if out := one.tcpctl(args...); !strings.Contains(out, "patch") {
			t.Errorf("%s has no %q:\n%s", strings.Join(args, " "), "patch", out)
		}
	}
	if out := one.tcpctl("history", "--kind", "operator", "--since", since); strings.Contains(out, "patch") {
		t.Errorf("the own history has the other node's:\n%s", out)
	}
	if out := one.tcpctl("history", "--kind", "mark", "--since", since, "--peer", "all"); !strings.Contains(out, name) || !strings.Contains(out, "OPS-78") {
		t.Errorf("of all nodes:\n%s", out)
	}
	if out := one.tcpctl("top", "--since", since, "--peer", name, "--json"); !json.Valid([]byte(out)) {
		t.Errorf("top: %s", out)
	}

	term := openTerminal(t, 140, 45, nil, "attach", "--socket", one.socket)
	term.sees(`LIVE`)
	term.sees(name + ` .*alive`)
	term.press("3", "g", "j", "Enter")
	term.sees(`^ tcpctl .*` + name + `.* LIVE`)
	term.rewinds(paused, name+` .*REWIND `+paused.Format(time.TimeOnly))
	term.sees(fmt.Sprintf(`PAUSED +%s `, service))
	term.sees(`patch`)
	term.press("d")
	term.sees(`acts are off`)
	term.press("0")
	term.sees(`LIVE`)
	term.seesNot(`PAUSED +` + service)

	src := control.Dial(one.socket)
	defer src.Close()
	m, err := src.Peer(name).Moment(t.Context(), paused)
	if err != nil || m.Status.Service(service) == nil || m.Status.Service(service).State != proxy.StatePaused {
		t.Fatalf("%+v, %v", m, err)
	}
	if m.Status.Mesh == nil || len(m.Status.Mesh.Peers) != 1 {
		t.Errorf("its mesh was %+v", m.Status.Mesh)
	}
}
