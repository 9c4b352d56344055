package config

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files; read the difference before you commit it")

// lenient parses without requiring files to exist.
func lenient(t *testing.T, name, text string) *File {
	t.Helper()
	f, err := parse(name, []byte(text), false)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// product.toml is the design's example; product.golden has each of its values, and was compared
// with it by eye.
func TestProduct(t *testing.T) {
	text, err := os.ReadFile("testdata/product.toml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, l := range lenient(t, "product.toml", string(text)).leaves() {
		if !l.table {
			b.WriteString(l.path + " = " + l.text + "\n")
		}
	}
	golden(t, "testdata/product.golden", b.String())
}

// Where the example gives defaults, and not an "e.g.", they are the real ones.
func TestProductGivesDefaults(t *testing.T) {
	text, err := os.ReadFile("testdata/product.toml")
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]bool{
		"control.socket":    true, // root's; other users have their own
		"mesh.name":         true,
		"services.*.listen": true, "services.*.backends.*.name": true, "services.*.backends.*.addr": true,
		"services.*.backends.*.weight": true, "services.*.backends.*.max_sessions": true,
		"services.*.backends.*.restart": true, "services.*.backends.*.tls": true, "services.*.backends.*.tls_name": true,
		"services.*.backends.*.ca": true, "services.*.backends.*.dns": true, "services.*.backends.*.priority": true,
		"services.*.hooks.before_next.run": true, "services.*.hooks.before_next.every": true, "services.*.hooks.on_ttl.run": true,
		"services.*.tls.cert": true, "services.*.tls.key": true,
	}
	for _, l := range lenient(t, "product.toml", string(text)).leaves() {
		if !l.table && !examples[l.pattern] && l.text != l.usual {
			t.Errorf("%s = %s in the example, %s by default", l.path, l.text, l.usual)
		}
	}
}
