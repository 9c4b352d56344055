package config

import (
	"fmt"
	"strings"
	"testing"
)

const before = `[log]
level = "info"
[metrics]
listen = "127.0.0.1:9284"
[services.db]
listen = "127.0.0.1:5432"
backends = [
  { name = "a", addr = "10.0.0.11:5432" },
  { name = "b", addr = "10.0.0.12:5432", weight = 2 },
  { name = "c", addr = "10.0.0.13:5432" },
]
[services.office]
listen = "127.0.0.1:9000"
backends = ["127.0.0.1:8100"]
lock = { slots = 2 }
[services.old]
listen = "127.0.0.1:1"
backends = []
`

const after = `# everything moves but old friends
[defaults]
idle_timeout = "5m"
[log]
level = "debug"
[metrics]
listen = "127.0.0.1:9285"
[services.new]
listen = ["127.0.0.1:2", "[::1]:2"]
backends = []
[services.office]
listen = "127.0.0.1:9000"
backends = ["127.0.0.1:8100"]
idle_timeout = "0s"
[services.db]
listen = "127.0.0.1:5433"
queue.timeout = "1m"
backends = [
  { name = "c", addr = "10.0.0.13:5432" },
  { name = "b", addr = "10.0.0.99:5432", weight = 1 },
  { name = "d", addr = "10.0.0.14:5432" },
]
`

func TestDiff(t *testing.T) {
	old, new := lenient(t, "a.toml", before), lenient(t, "a.toml", after)
	var got []string
	for _, c := range Diff(old, new) {
		mark := " "
		if c.Reopens {
			mark = "!"
		}
		got = append(got, fmt.Sprintf("%s %s|%s|%s|%s|%s|%s: %s", mark, c.What, c.Service, c.Backend, c.Key, c.Old, c.New, c.Text))
	}
	golden(t, "testdata/diff.golden", strings.Join(got, "\n")+"\n")
	if same := Diff(old, lenient(t, "b.toml", before)); same != nil {
		t.Errorf("the same file differs: %v", same)
	}
}

func TestHash(t *testing.T) {
	hash := func(text string) string { return lenient(t, "a.toml", text).Hash() }
	was := hash(before)
	if len(was) != 12 || was != hash("# a comment\n"+before) {
		t.Error("a comment changes the hash")
	}
	if was != hash(before+"\n[defaults]\nrelay = \"auto\"\n") {
		t.Error("an explicit default changes the hash")
	}
	swapped := strings.Replace(before, "[services.old]\nlisten = \"127.0.0.1:1\"\nbackends = []\n", "", 1)
	if was != hash("[services.old]\nlisten = \"127.0.0.1:1\"\nbackends = []\n"+swapped) {
		t.Error("the order of services changes the hash")
	}
	for _, other := range []string{
		after, before + "queue.max = 3\n", before + "[defaults]\nrelay = \"stream\"\n", before + "[mesh]\nname = \"x\"\n",
		strings.Replace(before, "weight = 2", "weight = 3", 1),
	} {
		if was == hash(other) {
			t.Errorf("the hash stays the same with\n%s", other)
		}
	}
}

func TestWarnings(t *testing.T) {
	f := lenient(t, "a.toml", `[services.db]
listen = ["127.0.0.1:5432"]
backends = []
no_backend = "reject"
[services.db.pause]
limit = "5m"
bypass = ["10.0.9.9", "127.0.0.0/8"]
[services.web]
listen = ["0.0.0.0:80"]
backends = ["10.0.0.1:80", { addr = "10.0.0.2:80", tls = true, tls_verify = false, ca = "ca.pem" }]
pause.bypass = ["127.0.0.1"]
source = ["127.0.0.1", "192.0.2.77", "::1"]
`)
	want := `a.toml:3: service "db" has no backends; every client is turned away until one is added
a.toml:6: limit = "5m" is longer than max = "2m"; then = "abort" would never come
a.toml:7: bypass covers every client of 127.0.0.1:5432; a pause would hold no client there; write the networks of your operators
a.toml:10: backend "10.0.0.2:80" has a ca, and tls_verify = false verifies nothing by it; take out tls_verify = false, or ca
a.toml:12: this machine does not have the address 192.0.2.77 now; ip addr lists its addresses; backends cannot be reached from this one until it exists
a.toml:12: no backend of service "web" has an address of the family of ::1; take it out`
	if got := f.Warnings().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	f = lenient(t, "a.toml", `[services.db]
listen = "127.0.0.1:5432"
backends = ["10.0.0.1:5432"]
user_timeout = "5s"
backlog = 100
`)
	want = `a.toml:4: user_timeout of service "db" has no effect on darwin; only Linux can do it; leave it out
a.toml:5: backlog of service "db" has no effect on darwin; only Linux can do it; leave it out`
	if got := f.warningsOn("darwin").Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if w := f.warningsOn("linux"); len(w) > 0 {
		t.Errorf("on Linux: %v", w)
	}
}

func TestCheckKeys(t *testing.T) {
	f := lenient(t, "a.toml", "[console.keys]\nready = \"U\"\ndrian = \"D\"\n")
	console := func(keys map[string]string) error {
		for action := range keys {
			if action != "drain" && action != "ready" {
				return fmt.Errorf("tui: console.keys: no action %q", action)
			}
		}
		return nil
	}
	err := f.CheckKeys(console)
	if want := `a.toml:3: console.keys: no action "drian"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := f.CheckKeys(func(map[string]string) error { return nil }); err != nil {
		t.Error(err)
	}
	// If two are wrong, the error is at the table.
	f = lenient(t, "a.toml", "[console.keys]\none = \"U\"\ntwo = \"D\"\n")
	if err := f.CheckKeys(console); err == nil || !strings.HasPrefix(err.Error(), "a.toml:1: console.keys: no action ") {
		t.Errorf("got %v", err)
	}
}
