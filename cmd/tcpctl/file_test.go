package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestWhatRunRefusesCheckFinds: check, run and reload refuse each of these with status 2 and the
// same words, and the instance keeps serving.
func TestWhatRunRefusesCheckFinds(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "a")
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "nothing", 0o600)
	certificate(t, dir, "one") // always called desk
	key := filepath.Join(dir, "one.key")
	if err := os.Rename(filepath.Join(dir, "desk.key"), key); err != nil {
		t.Fatal(err)
	}
	cert := filepath.Join(dir, "one.pem")
	if err := os.Rename(filepath.Join(dir, "desk.pem"), cert); err != nil {
		t.Fatal(err)
	}
	certificate(t, dir, "two")
	other := filepath.Join(dir, "desk.key")
	service := fmt.Sprintf("[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = [%q]\n", b.addr)
	in := runConfigured(t, service)
	for _, c := range []struct {
		what, text string
		line       int // 0: no line is named
		said       string
	}{
		{"empty", "", 0, "it is empty"},
		{"blank", "\n \n", 0, "it is empty"},
		{"comments", "# [services.db]\n", 0, "nothing but comments"},
		{"no service", "[log]\nlevel = \"info\"\n", 0, "there is no service in it"},
		{"an empty table of services", "[services]\n", 0, "there is no service in it"},
		{"a mesh alone", "[mesh]\nname = \"x\"\n", 0, "there is no service in it"},
		{"cut in a key", service + "idle_tim", 4, ""},
		{"cut in a table", service + "[services.web]\n", 4, `"web" is empty`},
		{"log folder", service + "[log]\nfile = \"no/such/folder/log\"\n", 5, "its folder is not there"},
		{"log is a folder", service + "[log]\nfile = \"" + dir + "\"\n", 5, "is a folder"},
		{"access log folder", service + "[log]\naccess = \"no/such/log\"\n", 5, "its folder is not there"},
		{"group", service + "[control]\ngroup = \"no such group\"\n", 5, `there is no group "no such group"`},
		{"group of a listener", service + "listen_group = \"no such group\"\n", 4, "there is no group"},
		{"theme", service + "[console]\ntheme = \"nope\"\n", 5, "nope"},
		{"console key", service + "[console.keys]\nnope = \"x\"\n", 5, "nope"},
		{"certificate", service + "[services.db.tls]\ncert = \"" + plain + "\"\nkey = \"" + key + "\"\n", 5, "certificate"},
		{"key", service + "[services.db.tls]\ncert = \"" + cert + "\"\nkey = \"" + plain + "\"\n", 6, "key"},
		{"key of another", service + "[services.db.tls]\ncert = \"" + cert + "\"\nkey = \"" + other + "\"\n", 6, "does not match"},
		{"client CA", service + "[services.db.tls]\ncert = \"" + cert + "\"\nkey = \"" + key + "\"\nclient_ca = \"" + plain + "\"\n", 7, "no certificate"},
		{"secret", service + "[mesh]\nname = \"x\"\nsecret_file = \"" + plain + "\"\n", 6, "plain"},
		{"web folder", service + "[services.db.ws]\nweb = \"no/such\"\n", 5, "there is no folder"},
		{"program", service + "[services.db.hooks]\nbefore_next = { run = [\"./no-such\"] }\n", 5, "there is no file"},
		{"program that cannot be run", service + "[services.db.hooks]\nbefore_next = { run = [\"" + plain + "\"] }\n", 5, "is not executable"},
		{"itself", "[services.a]\nlisten = \"127.0.0.1:1\"\nbackends = [\"localhost:1\"]\n", 3, "where the service itself listens (127.0.0.1:1) in line 2"},
		{"a ring", "[services.a]\nlisten = \":1\"\nbackends = [{ addr = \"127.0.0.1:2\" }]\n[services.b]\nlisten = \":2\"\nbackends = [\"localhost:1\"]\n", 3, `service "b" listens`},
		{"an address of elsewhere", "[services.a]\nlisten = \"192.0.2.1:1\"\nbackends = []\n", 2, "this host has no such address"},
		{"a socket's folder", "[services.a]\nlisten = \"unix:" + dir + "/no/such\"\nbackends = []\n", 2, "its folder is not there"},
		{"no socket", "[services.a]\nlisten = \"unix:" + plain + "\"\nbackends = []\n", 2, "is not a socket"},
	} {
		if runtime.GOOS == "windows" && strings.Contains(c.what, "cannot be run") {
			continue
		}
		write(t, in.path, c.text)
		want := in.path + ": "
		if c.line > 0 {
			want = fmt.Sprintf("%s:%d: ", in.path, c.line)
		}
		for _, args := range [][]string{{"check", "-c", in.path}, {"run", "--no-ui", "-c", in.path, "--socket", in.socket + "2"}, {"reload", "--socket", in.socket}} {
			out, status := runTcpctl(t, args...)
			if status != 2 || !strings.Contains(out, want) || !strings.Contains(out, c.said) {
				t.Errorf("%s: %s: status %d, want line %d and %q:\n%s", c.what, args[0], status, c.line, c.said, out)
			}
		}
		cl, err := dial(in.addr())
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		cl.says("still here")
		if err := cl.hears("a: still here"); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		cl.Close()
	}
}
