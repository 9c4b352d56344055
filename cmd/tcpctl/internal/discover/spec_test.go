package discover

import (
	"strings"
	"testing"
)

func TestSpecs(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"dns:db.internal:5432", "dns:db:1", "dns:[fd00::1]:5432", "srv:_db._tcp.example.internal", "srv:_db._tcp.example.",
		"consul:db", "consul:db?tag=primary&addr=127.0.0.1:8500", "consul:db?addr=https://consul.example:8501&dc=d1&token_file=/run/token", "exec:/usr/bin/list", "file:/run/backends.json"} {
		s := Spec{From: from}
		if err := s.Validate(); err != nil {
			t.Errorf("%s: %v", from, err)
			continue
		}
		src, err := s.open("db")
		if err != nil {
			t.Errorf("%s cannot be opened: %v", from, err)
			continue
		}
		src.close()
	}
	for _, c := range []struct {
		spec      Spec
		key, want string
	}{
		{Spec{From: ""}, "from", `"" does not say where backends are found`},
		{Spec{From: "_db._tcp.example"}, "from", "does not say where"},
		{Spec{From: "etcd:db"}, "from", `unknown source "etcd"`},
		{Spec{From: "dns:"}, "from", "does not say what to ask for"},
		{Spec{From: "dns:db.internal"}, "from", "is not HOST:PORT"},
		{Spec{From: "dns:db.internal:0"}, "from", "is not HOST:PORT"},
		{Spec{From: "dns:db..internal:1"}, "from", "is not HOST:PORT"},
		{Spec{From: "dns:" + strings.Repeat("x", 64) + ".internal:1"}, "from", "is not HOST:PORT"},
		{Spec{From: "srv:_db._tcp.example:5432"}, "from", "is not the name of a service record"},
		{Spec{From: "srv:_db. _tcp"}, "from", "is not the name of a service record"},
		{Spec{From: "consul:db?tags=x"}, "from", `unknown key "tags"`},
		{Spec{From: "consul:db?%zz"}, "from", "is not SERVICE?KEY=VALUE"},
		{Spec{From: "consul:?tag=x"}, "from", "is not SERVICE?KEY=VALUE"},
		{Spec{From: "exec:"}, "from", "does not say what to ask for"},
		{Spec{From: "exec:/bin/a", Run: []string{"/bin/b"}}, "run", "both name a program"},
		{Spec{From: "file:/a", Run: []string{"/bin/b"}}, "run", "run does nothing"},
		{Spec{From: "file:/a", Server: "10.0.0.1"}, "dns_server", "dns_server does nothing"},
		{Spec{From: "srv:a", Server: "ns.example"}, "dns_server", "is not an address"},
	} {
		err, _ := c.spec.Validate().(*Error)
		if err == nil || err.Key != c.key || !strings.Contains(err.Text, c.want) || err.Key == "from" && err.Hint == "" {
			t.Errorf("%+v: %+v, want %s: %s", c.spec, err, c.key, c.want)
		}
	}
	for given, want := range map[string]string{"10.0.0.1": "10.0.0.1:53", "fd00::1": "[fd00::1]:53", "[fd00::1]": "[fd00::1]:53", "[fd00::1]:5353": "[fd00::1]:5353"} {
		if got, err := serverAddr(given); got != want || err != nil {
			t.Errorf("%s: %s, %v", given, got, err)
		}
	}
}

func TestBackendNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 60)
	seen := map[string]string{}
	for _, key := range []string{"a", "a.example:5432", "-a", "a/b", "a b", "a-b", long, long + "x", "//", "a\x00b", "a\nb"} {
		name := backendName(key)
		if other, twice := seen[name]; twice {
			t.Errorf("%q and %q are both called %q", key, other, name)
		}
		seen[name] = key
		if name != backendName(key) || name == "" || len(name) > maxName || name[0] == '-' || strings.ContainsAny(name, "/ \x00\n") {
			t.Errorf("%q is called %q", key, name)
		}
		b := backends("x")[0]
		b.Name = name
		if err := b.Validate(); err != nil {
			t.Error(err)
		}
	}
}
