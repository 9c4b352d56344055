package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBadFilesChangeNothing: run, check and reload refuse each of config's bad files with status 2,
// file and line; the instance that should load it is unaffected.
func TestBadFilesChangeNothing(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("internal/config/testdata/bad/*.toml")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d bad files: %v", len(files), err)
	}
	b := startBackend(t, "a")
	in := runConfigured(t, `[services.db]
listen = "127.0.0.1:0"
backends = ["`+b.addr+`"]
`)
	c, err := dial(in.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	place := regexp.MustCompile(`(?m)^tcpctl: (\S+?\.toml):(\d+): .+`)
	hash := in.status().Node.ConfigHash
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, in.path, string(text))
		for _, args := range [][]string{{"check", "-c", in.path}, {"run", "--no-ui", "-c", in.path, "--socket", in.socket + "2"}} {
			if out, status := runTcpctl(t, args...); status != 2 || !place.MatchString(out) {
				t.Errorf("%s: %s: status %d\n%s", name, args[0], status, out)
			}
		}
		out, status := in.try("reload")
		if status != 2 || !place.MatchString(out) || !strings.Contains(out, "the old configuration stays in force") {
			t.Errorf("%s: reload: status %d\n%s", name, status, out)
		}
		if st := in.status(); st.Node.ConfigHash != hash || len(st.Services) != 1 || st.Services[0].State != "open" {
			t.Fatalf("%s: it has changed something: %+v", name, st)
		}
	}
	c.says("still here?")
	if err := c.hears("a: still here?"); err != nil {
		t.Error(err)
	}
	t.Logf("%d bad files", len(files))
}
