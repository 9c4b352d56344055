package discover

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that is renamed over the old one is noticed; a half-written, empty or missing file is no
// answer.
func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "backends.json")
	spec := &Spec{From: "file:" + path}
	src, err := spec.open("db")
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	write := func(to, text string) {
		t.Helper()
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		got := strings.Replace(askedOf(t, spec, src), path+": ", "", 1)
		if got != want && !(strings.HasSuffix(want, "…") && strings.HasPrefix(got, strings.TrimSuffix(want, "…"))) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	const whole = `[
  "10.0.0.1:5432",
  {"name": "b", "addr": "10.0.0.2:5432", "weight": 0, "max_sessions": 5}
]`
	write(path, whole)
	expect("1s 10.0.0.1:5432 b=10.0.0.2:5432,-1,0")
	write(path+".new", `["10.0.0.3:5432"]`)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	expect("1s 10.0.0.3:5432")
	for cut := range whole {
		write(path, whole[:cut])
		if got := askedOf(t, spec, src); !strings.HasPrefix(got, "! ") {
			t.Errorf("cut off behind %q: %s", whole[:cut], got)
		}
	}
	write(path, whole[:30])
	expect("! the list does not end: it is cut off")
	write(path, "[\n\"10.0.0.1:1\",\n{\"addr\": 7}]")
	expect("! line 3: cannot unmarshal…")
	write(path, strings.Repeat(" ", maxBytes)+"[]")
	expect("! it is larger than 1 MiB…")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := askedOf(t, spec, src); !strings.HasPrefix(got, "! ") {
		t.Errorf("removed: %s", got)
	}
	write(path, "[]")
	expect("1s")
}
