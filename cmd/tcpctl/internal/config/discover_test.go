package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/discover"
	"github.com/tcpctl/tcpctl/proxy"
)

func TestDiscover(t *testing.T) {
	f, err := Parse("/etc/tcpctl/a.toml", []byte(`[services.db]
listen = "127.0.0.1:5432"
backends = ["10.0.0.1:5432", { name = "c", dns = "db.internal:5432", dns_server = "10.0.0.2", refresh = "9s", hold = "0s", priority = 1, weight = 3, restart = ["up"] }]
discover = "consul:db?tag=primary&addr=127.0.0.1:8500"
[services.web]
listen = "127.0.0.1:80"
[services.web.discover]
from = "exec:"
run = ["list", "web"]
refresh = "5s"
timeout = "2s"
hold = "1m"
priority = 2
max_sessions = 7
restart = ["restart-it"]
ready_timeout = "9s"
[services.file]
listen = "127.0.0.1:81"
discover = "file:list.json"
[services.none]
listen = "127.0.0.1:82"
backends = []
discover = ""
`))
	if err != nil {
		t.Fatal(err)
	}
	ready := time.Minute
	want := map[string][]discover.Spec{
		"db": {
			{Name: "backends/c", From: "dns:db.internal:5432", Server: "10.0.0.2", Refresh: 9 * time.Second,
				Backend: proxy.BackendConfig{Weight: 3, Priority: 1, Restart: []string{"up"}, ReadyTimeout: ready}},
			{Name: "discover", From: "consul:db?tag=primary&addr=127.0.0.1:8500", Refresh: 30 * time.Second, Timeout: 5 * time.Second, Hold: 30 * time.Second,
				Backend: proxy.BackendConfig{ReadyTimeout: ready}},
		},
		"web": {{Name: "discover", From: "exec:", Run: []string{"list", "web"}, Refresh: 5 * time.Second, Timeout: 2 * time.Second, Hold: time.Minute,
			Backend: proxy.BackendConfig{Priority: 2, MaxSessions: 7, Restart: []string{"restart-it"}, ReadyTimeout: 9 * time.Second}}},
		"file": {{Name: "discover", From: "file:/etc/tcpctl/list.json", Refresh: 30 * time.Second, Timeout: 5 * time.Second, Hold: 30 * time.Second,
			Backend: proxy.BackendConfig{ReadyTimeout: ready}}},
	}
	if diff := cmp.Diff(want, f.Discover()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c, err := f.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	if db := c.Services[0]; len(db.Backends) != 1 || len(db.Discover) != 2 || db.Discover[1].From != "db" {
		t.Errorf("the engine gets %+v", db)
	}
}

func TestDiscoverIsChecked(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`discover = "etcd:db"`:                                        `a.toml:4: unknown source "etcd"; write "srv:`,
		`discover = 5`:                                                `a.toml:4: services.db.discover is a table, not the number 5; write [services.db.discover]`,
		`discover = { run = ["list"] }`:                               `a.toml:4: "" does not say where backends are found`,
		`discover = { from = "srv:a b" }`:                             `a.toml:4: "a b" is not the name of a service record`,
		`discover = { from = "srv:a", refresh = "5ms" }`:              `a.toml:4: refresh = "5ms" would ask without a rest; write "1s" or more`,
		`discover = { from = "srv:a", timeout = "0s" }`:               `a.toml:4: timeout = "0s": a question has to end`,
		`discover = { from = "srv:a", dns_server = "ns.example" }`:    `a.toml:4: dns_server "ns.example" is not an address`,
		`discover = { from = "srv:a", form = "b" }`:                   `unknown key "form" in [services.db.discover]; did you mean "from"?`,
		`discover = "exec:./plain"`:                                   `is not executable; chmod +x`,
		`discover = "exec:./missing"`:                                 `there is no file`,
		`backends = [{ dns = "db.internal" }]`:                        `a.toml:4: "db.internal" is not HOST:PORT; write "dns:db.example.com:5432"`,
		`backends = [{ addr = "h:1", dns_server = "10.0.0.2" }]`:      `a.toml:4: backend "h:1" has dns_server, but not dns`,
		`backends = [{ dns = "h:1", refresh = "1ms" }]`:               `a.toml:4: refresh = "1ms" would ask without a rest`,
		`backends = [{ dns = "h:1" }, { dns = "h:1" }]`:               `two backends are called "h:1"`,
		`backends = [{ dns = "h:1" }, { addr = "h:2", weight = -1 }]`: `weight = -1 is out of range`,
		`hold = "1s"`: `unknown key "hold"`,
	} {
		_, err := Parse(filepath.Join(dir, "a.toml"), []byte("[services.db]\nlisten = \"127.0.0.1:1\"\n\n"+line))
		found, _ := errors.AsType[Errors](err)
		if len(found) == 0 || !strings.Contains(strings.ReplaceAll(found.Error(), dir+"/", ""), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", line, err, want)
		}
	}
}

// With a source a service needs no backends of its own, and there is no warning.
func TestDiscoverAloneIsNoWarning(t *testing.T) {
	f := lenient(t, "a.toml", "[services.db]\nlisten = \"127.0.0.1:5432\"\nno_backend = \"reject\"\nsource = [\"127.0.0.1\"]\ndiscover = \"srv:_db._tcp.example\"\n")
	if w := f.Warnings(); len(w) > 0 {
		t.Error(w)
	}
	old := lenient(t, "a.toml", "[services.db]\nlisten = \"127.0.0.1:5432\"\nno_backend = \"reject\"\nbackends = []\n")
	var said []string
	for _, c := range Diff(old, f) {
		said = append(said, c.Text)
	}
	if got := strings.Join(said, "\n"); !strings.Contains(got, `service "db": discover.from is "srv:_db._tcp.example" now`) {
		t.Errorf("the difference is\n%s", got)
	}
}

// A list that does not exist yet is a warning, not an error.
func TestDiscoverWarnsOfAMissingList(t *testing.T) {
	dir := t.TempDir()
	f, err := Parse(filepath.Join(dir, "a.toml"), []byte("[services.db]\nlisten = \"127.0.0.1:1\"\ndiscover = \"file:list.json\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Warnings().Error(); !strings.Contains(got, `a.toml:3: service "db": there is no file `) {
		t.Errorf("got %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "list.json"), []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := f.Warnings(); len(w) > 0 {
		t.Error(w)
	}
}
