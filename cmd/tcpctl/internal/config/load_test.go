package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// Any text is either accepted, and then the engine accepts it, too, and it does not differ from
// itself; or it is refused with Errors in the order of its lines.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad/*.toml")
	for _, path := range append(files, "testdata/product.toml", "init.toml") {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(before))
	f.Add([]byte(after))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parse("fuzz.toml", text, false)
		if err != nil {
			var all Errors
			if !errors.As(err, &all) || len(all) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			lines := 1 + strings.Count(string(text), "\n")
			for i, e := range all {
				if e.Text == "" || e.Line > lines || i > 0 && e.Line < all[i-1].Line {
					t.Fatalf("%d: %#v", i, e)
				}
			}
			return
		}
		file.Warnings()
		if file.Hash() == "" || Diff(file, file) != nil || Diff(New(), file) == nil && len(file.Services) > 0 {
			t.Fatal("it differs from itself")
		}
		c, err := file.Proxy()
		if err != nil {
			return // no service, or a ring
		}
		if _, err := proxy.New(c); err != nil {
			t.Fatalf("the engine refuses what the file's check has let pass: %v", err)
		}
	})
}

func thousand(change string) []byte {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "[services.s%d]\nlisten = \"127.0.0.1:%d\"\nbackends = [\n  { name = \"a\", addr = \"10.0.0.11:5432\", weight = 2 },\n  \"10.0.0.12:5432\",\n]\nidle_timeout = \"5m\"\n[services.s%d.queue]\nmax = 10\n\n", i, 10000+i, i)
	}
	return []byte(strings.Replace(b.String(), "max = 10\n", change, 1))
}

// A reload reads the file and compares it; budget: 100 ms for 1,000 services.
func BenchmarkReload1000(b *testing.B) {
	old, err := Parse("a.toml", thousand("max = 10\n"))
	if err != nil {
		b.Fatal(err)
	}
	text, hash := thousand("max = 11\n"), old.Hash()
	for b.Loop() {
		f, err := Parse("a.toml", text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Proxy(); err != nil {
			b.Fatal(err)
		}
		if d := Diff(old, f); len(d) != 1 || f.Hash() == hash {
			b.Fatal(d)
		}
	}
}
