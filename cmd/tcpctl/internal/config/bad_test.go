package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// NAME.txt has the errors of testdata/bad/NAME.toml.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 25 {
		t.Fatalf("only %d bad files: %v", len(files), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".toml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parse(path, text, true)
			var all Errors
			if !errors.As(err, &all) {
				t.Fatalf("want Errors, got %v", err)
			}
			for i, e := range all {
				if e.File != path || e.Line == 0 || e.Column == 0 || e.Text == "" {
					t.Errorf("%q does not say where or what: %#v", e, e)
				}
				if i > 0 && e.Line < all[i-1].Line {
					t.Errorf("line %d after line %d", e.Line, all[i-1].Line)
				}
			}
			said := strings.ReplaceAll(filepath.ToSlash(all.Error()), "testdata/bad/", "")
			golden(t, strings.TrimSuffix(path, ".toml")+".txt", said+"\n")
		})
	}
}

// The file's name precedes each line, so that editors can jump there.
func TestErrorsOneALine(t *testing.T) {
	_, err := Parse("tcpctl.toml", []byte("[services.db]\nlisten = \":5432\"\nbackends = []\nidle_timout = \"1s\"\nqueue.mx = 3\n"))
	want := `tcpctl.toml:4: unknown key "idle_timout" in [services.db]; did you mean "idle_timeout"?
tcpctl.toml:5: unknown key "mx" in [services.db.queue]; did you mean "max"?`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLoadOfNothing(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "no.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want ErrNotExist, got %v", err)
	}
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || err.Error() != dir+": it is a folder; name a file in it" {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Parse("big.toml", make([]byte, maxFile+1)); err == nil {
		t.Error("a file larger than any was read")
	}
}
