package config

import (
	"regexp"
	"strings"
	"testing"
)

// uncomment finds the commented-out keys.
var uncomment = regexp.MustCompile(`(?m)^#(\S)`)

// allOfInit returns init.toml with all keys uncommented, with the secret that a cluster needs, and
// with a lock to which all keys apply.
func allOfInit() string {
	text := uncomment.ReplaceAllString(string(Init()), "$1")
	text = strings.Replace(text, `scope = "node"`, `scope = "cluster"`, 1)
	return strings.Replace(text, `secret_file = ""`, `secret_file = "mesh.secret"`, 1)
}

func TestInitIsRight(t *testing.T) {
	f, err := Parse("tcpctl.toml", Init())
	if err != nil {
		t.Fatal(err)
	}
	if w := f.Warnings(); len(w) > 0 {
		t.Error(w)
	}
	if _, err := f.Proxy(); err != nil {
		t.Error(err)
	}
}

// Uncommented, it still has only defaults, and it names every key.
func TestInitSaysTheDefaults(t *testing.T) {
	f := lenient(t, "tcpctl.toml", allOfInit())
	given := map[string]bool{"services.*.listen": true, "services.*.backends.*.name": true, "services.*.backends.*.addr": true,
		"services.*.hooks.before_next.run": true, "services.*.backends.*.dns": true, "services.*.discover.from": true,
		"services.*.hooks.on_ttl.run": true, "services.*.hooks.on_expire.run": true, "services.*.tls.cert": true, "services.*.tls.key": true,
		"mesh.name": true, "mesh.secret_file": true, "cluster.voters": true, "services.*.lock.scope": true}
	said := map[string]bool{} // a backend's key may be in only one of several
	for _, l := range f.leaves() {
		if _, ok := f.lines.at[l.path]; ok {
			said[l.pattern] = true
		}
	}
	for _, l := range f.leaves() {
		if !given[l.pattern] && !l.table && l.text != l.usual {
			t.Errorf("%s = %s, the default is %s", l.path, l.text, l.usual)
		}
		inherited := strings.HasPrefix(l.pattern, "services.*.") && f.lines.at["defaults."+l.key] != (place{})
		if !said[l.pattern] && !inherited {
			t.Errorf("%s is not in init.toml", l.path)
		}
	}
}
