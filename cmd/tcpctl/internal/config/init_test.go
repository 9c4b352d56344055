package config

import (
	"regexp"
	"strings"
	"testing"
)

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

// With the comments taken off it says the same, and it names every key that
// is not in later.
func TestInitSaysTheDefaults(t *testing.T) {
	text := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(Init()), "$1")
	f, err := Parse("tcpctl.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{"services.*.listen": true, "services.*.backends.*.name": true, "services.*.backends.*.addr": true,
		"services.*.hooks.before_next.run": true, "services.*.hooks.on_ttl.run": true}
	for _, l := range f.leaves() {
		if !given[l.pattern] && !l.table && l.text != l.usual {
			t.Errorf("%s = %s, the default is %s", l.path, l.text, l.usual)
		}
		inherited := strings.HasPrefix(l.pattern, "services.*.") && f.lines.at["defaults."+l.key] != (place{})
		if _, said := f.lines.at[l.path]; !said && !later[l.pattern] && !inherited && !strings.HasPrefix(l.path, "services.db.backends[0]") {
			t.Errorf("%s is not in init.toml", l.path)
		}
		if _, said := f.lines.at[l.path]; said && later[l.pattern] {
			t.Errorf("%s is in init.toml, and not in this version yet", l.path)
		}
	}
}
