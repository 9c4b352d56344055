package config

import (
	"strings"
	"testing"
)

const ahead = `[services.office]
listen = "0.0.0.0:9000"
backends = [{ addr = "127.0.0.1:8100", tls = true, refresh = "30s" }]
sni = ["db.example.com"]
send_proxy = 0
[services.office.hooks]
exclusive = false
[services.office.check]
type = "exec"
run = ["true"]
[mesh]
name = "office"
`

func TestNotYet(t *testing.T) {
	table := map[string]bool{"mesh": true, "services.*.hooks": true, "services.*.sni": true, "services.*.send_proxy": true,
		"services.*.backends.*.tls": true, "services.*.backends.*.refresh": true, "services.*.check.type=exec": true}
	_, err := parse("a.toml", []byte(ahead), table, true)
	want := `a.toml:3: "tls" is not in this version yet; take it out
a.toml:4: "sni" is not in this version yet; take it out
a.toml:6: "hooks" is not in this version yet; take it out
a.toml:9: type = "exec" is not in this version yet; take it out
a.toml:11: "mesh" is not in this version yet; take it out`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if _, err := parse("a.toml", []byte(ahead), nil, true); err != nil {
		t.Errorf("with an empty table: %v", err)
	}
}

// A line of the table that names nothing would refuse nothing.
func TestLaterNamesKeys(t *testing.T) {
	f := New()
	s := f.NewService("x")
	s.Backends = []Backend{NewBackend("10.0.0.1:1")}
	s.Passive, s.Lock, s.TLS, s.WS = &Passive{}, &Lock{}, &TLS{}, &WS{}
	s.Hooks = &Hooks{BeforeNext: &Hook{}, OnTTL: &Hook{}}
	f.Services, f.Mesh = []Service{s}, &Mesh{}
	patterns := map[string]bool{}
	for _, l := range f.leaves() {
		patterns[l.pattern] = true
	}
	for key := range later {
		if pattern, _, _ := strings.Cut(key, "="); !patterns[pattern] {
			t.Errorf("later has %q, which is the name of no key", key)
		}
	}
}

// A File that was filled by hand is refused like one that was read.
func TestProxyRefuses(t *testing.T) {
	later["services.*.listen"] = true
	defer delete(later, "services.*.listen")
	f := New()
	f.Services = []Service{f.NewService("db")}
	f.Services[0].Listen = []string{":1"}
	if _, err := f.Proxy(); err == nil || err.Error() != `"listen" is not in this version yet; take it out` {
		t.Errorf("got %v", err)
	}
}
