//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
)

// badPaths are a path of each kind that is seldom a file that was meant.
func badPaths(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{}
	for _, kind := range []string{"missing", "folder", "pipe", "empty", "binary"} {
		all[kind] = filepath.Join(dir, kind)
	}
	for _, err := range []error{
		os.Mkdir(all["folder"], 0o700),
		syscall.Mkfifo(all["pipe"], 0o600),
		os.WriteFile(all["empty"], nil, 0o600),
		os.WriteFile(all["binary"], []byte("\x7fELF \xff\x00 \x1b[31m\n\x80"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestBadPathsInAFile: for each key that names a file to be read, each is refused with a hint, and none is waited for.
func TestBadPathsInAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate(t, dir, "a") // called desk
	tls := fmt.Sprintf("[services.db.tls]\ncert = %q\nkey = %q\n", filepath.Join(dir, "desk.pem"), filepath.Join(dir, "desk.key"))
	client := fmt.Sprintf("tls_cert = %q, tls_key = %q", filepath.Join(dir, "desk.pem"), filepath.Join(dir, "desk.key"))
	const service = "[services.db]\nlisten = \"127.0.0.1:0\"\n"
	const plain = service + "backends = []\n"
	instead := func(text, name string) string { return strings.Replace(text, filepath.Join(dir, name), "%s", 1) }
	over := service + "backends = [{ addr = \"127.0.0.1:1\", tls = true, "
	for key, text := range map[string]string{
		"tls.cert":        plain + instead(tls, "desk.pem"),
		"tls.key":         plain + instead(tls, "desk.key"),
		"tls.client_ca":   plain + tls + "client_ca = \"%s\"\n",
		"backend.ca":      over + "ca = \"%s\" }]\n",
		"backend.cert":    over + instead(client, "desk.pem") + " }]\n",
		"backend.key":     over + instead(client, "desk.key") + " }]\n",
		"allow_file":      plain + "allow_file = \"%s\"\n",
		"ws.auth token":   plain + "[services.db.ws]\nauth = \"token:%s\"\n",
		"ws.auth basic":   plain + "[services.db.ws]\nauth = \"basic:%s\"\n",
		"hook":            plain + "[services.db.hooks]\nbefore_next = { run = [\"%s\"] }\n",
		"discover.from":   service + "[services.db.discover]\nfrom = \"exec:%s\"\n",
		"secret_file":     plain + "[mesh]\nname = \"m\"\nsecret_file = \"%s\"\n",
		"authorized_keys": plain + "[console.ssh]\nlisten = \"127.0.0.1:0\"\nauthorized_keys = \"%s\"\n",
		"the file itself": "",
	} {
		for kind, path := range badPaths(t) {
			file := path
			if text != "" {
				file = filepath.Join(dir, "tcpctl.toml")
				write(t, file, fmt.Sprintf(text, path))
			} else if kind == "pipe" {
				continue // a shell's <(command) is one, too
			}
			_, _, err := checkFile(file)
			all, _ := errors.AsType[config.Errors](err)
			if one, ok := errors.AsType[*config.Error](err); ok {
				all = append(all, *one)
			}
			if len(all) == 0 {
				t.Errorf("%s: %s: %v", key, kind, err)
			}
			for _, e := range all {
				if e.Hint == "" || strings.Contains(e.Text, e.Hint) || harmOf(e.Text) != "" {
					t.Errorf("%s: %s: %q", key, kind, e.Error())
				}
			}
		}
	}
	// These may be made, but not of anything.
	paths := badPaths(t)
	secret := filepath.Join(dir, "secret")
	write(t, secret, strings.Repeat("s", 64)+"\n")
	for text, kinds := range map[string][]string{
		"[history]\nfile = \"%s\"\n": {"folder", "pipe"},
		"[log]\nfile = \"%s\"\n":     {"folder"},
		"[log]\naccess = \"%s\"\n":   {"folder"},
		"[control]\nsocket = \"%s\"": {"folder", "pipe", "empty", "binary"},
		"[mesh]\nname = \"m\"\nsecret_file = \"" + secret + "\"\n[cluster]\nvoters = [\"a\", \"b\", \"c\"]\ndir = \"%s\"\n": {"pipe", "empty", "binary"},
	} {
		for _, kind := range kinds {
			file := filepath.Join(dir, "tcpctl.toml")
			write(t, file, plain+fmt.Sprintf(text, paths[kind]))
			_, _, err := checkFile(file)
			all, _ := errors.AsType[config.Errors](err)
			if len(all) == 0 || all[0].Hint == "" || !strings.Contains(err.Error(), paths[kind]) {
				t.Errorf("%s: %s: %v", kind, text, err)
			}
		}
	}
}

// TestBadPathsOfCommands: the message names the path and ends with a hint.
func TestBadPathsOfCommands(t *testing.T) {
	t.Parallel()
	in := runConfigured(t, "[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = []\n")
	paths := badPaths(t)
	within := filepath.Join(paths["missing"], "file")
	for _, c := range []struct {
		args   []string // the path comes behind them
		path   string
		status int
		want   string
	}{
		{[]string{"import"}, paths["missing"], exitUsage, "put it there, or name another"},
		{[]string{"import"}, paths["folder"], exitUsage, "name a file in it"},
		{[]string{"import"}, paths["empty"], exitUsage, "--from says which it is"},
		{[]string{"import"}, paths["binary"], exitUsage, "--from says which it is"},
		{[]string{"themes", "check"}, paths["missing"], exitUsage, "put it there, or name another"},
		{[]string{"themes", "check"}, paths["folder"], exitUsage, "name a file in it"},
		{[]string{"themes", "check"}, paths["pipe"], exitUsage, "name a file"},
		{[]string{"themes", "check"}, paths["binary"], exitUsage, "a theme is a file in TOML"},
		{[]string{"debug", "heap", "-o"}, paths["folder"], exitFailed, "name a file in it"},
		{[]string{"debug", "goroutines", "-o"}, within, exitFailed, "make its folder, or name another"},
		{[]string{"debug", "bundle", "--seconds", "0", "-o"}, paths["folder"], exitFailed, "name a file in it"},
		{[]string{"man", "--dir"}, paths["empty"], exitFailed, "name another"},
		{[]string{"debug", "heap", "-o"}, "/dev/full", exitFailed, "make room, or name another"},
		{[]string{"debug", "bundle", "--seconds", "0", "-o"}, "/dev/full", exitFailed, "make room, or name another"},
	} {
		if c.path == "/dev/full" && runtime.GOOS != "linux" {
			continue
		}
		out, status := runTcpctl(t, append(append(c.args, c.path), "--socket", in.socket)...)
		out = strings.TrimSpace(out)
		said := out[strings.LastIndexByte(out, '\n')+1:]
		if status != c.status || !strings.HasPrefix(said, "tcpctl: "+c.path) || !strings.HasSuffix(said, "; "+c.want) {
			t.Errorf("%v: status %d, want %d and %q\n%s", c.args, status, c.status, c.want, out)
		}
	}
	// A pipe can be read once: a reload that waited for the next writer would hold up all that come behind it.
	if err := os.Remove(in.path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(in.path, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := in.try("reload"); status != exitUsage || !strings.Contains(out, "is not a regular file, and can be read only once; start tcpctl with a file") {
		t.Errorf("reload: status %d\n%s", status, out)
	}
}

// TestALongArgumentIsShortened in a message, whose hint is still at its end.
func TestALongArgumentIsShortened(t *testing.T) {
	t.Parallel()
	out, status := runTcpctl(t, "themes", "check", strings.Repeat("é", 50000))
	if status != exitUsage || len(out) > 5000 || !strings.HasSuffix(out, "; name another\n") || harmOf(out) != "" || strings.ContainsRune(out, '\ufffd') {
		t.Errorf("status %d: %d bytes: %.100q", status, len(out), out)
	}
}

// TestAFullStandardOutput: each command that cannot print says so in the same words.
func TestAFullStandardOutput(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	in := runConfigured(t, "[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = []\n")
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"init"}, {"docs", "config"}, {"completion", "bash"}, {"debug", "goroutines"},
		{"debug", "heap", "-o", "-"}, {"events"}, {"version"}, {"mesh", "key"}, {"queue", "db", "--json"}} {
		cmd := exec.Command("tcpctl", append(args, "--socket", in.socket)...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &said
		cmd.Run()
		const want = "tcpctl: what this command printed is not all there: standard output: no space left on device; make room, or name another\n"
		if status := cmd.ProcessState.ExitCode(); status != exitFailed || said.String() != want {
			t.Errorf("%v: status %d: %s", args, status, said.String())
		}
	}
}
