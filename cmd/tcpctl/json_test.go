package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestEachJSONIsOneDocument runs each command that takes --json, once successfully and once with a
// failure: both print exactly one document, and a failure has a message.
func TestEachJSONIsOneDocument(t *testing.T) {
	t.Parallel()
	a := startBackend(t, "a")
	b := startBackend(t, "b")
	in := runConfigured(t, `[services.db]
listen = "127.0.0.1:0"
backends = [{ name = "a", addr = "`+a.addr+`", restart = ["true"] }, { name = "b", addr = "`+b.addr+`", restart = ["true"] }]
check = { interval = "100ms" }
[history]
file = "memory"
[mesh]
name = "json"
listen = "127.0.0.1:0"
mdns = false
`)
	wrong := filepath.Join(t.TempDir(), "wrong.toml")
	write(t, wrong, "[services.db]\nlisen = \"127.0.0.1:1\"\n")
	commands := []struct{ name, good, bad string }{
		{"status", "status", "status nope"}, {"sessions", "sessions --ended", "sessions --client x"}, {"queue", "queue db", "queue nope"},
		{"peers", "peers", "peers --bogus"}, {"events", "events", "events --since"},
		{"history", "history", "history --since x"}, {"top", "top", "top nope"},
		{"drain", "drain db/a", "drain db/x"}, {"maint", "maint db/a", "maint --then x"}, {"ready", "ready db/a --wait", "ready db"}, {"weight", "weight db/a 2", "weight db/a -1"},
		{"pause", "pause db --wait", "pause db --max 0s"}, {"resume", "resume db", "resume nope"},
		{"close", "close db", "close nope"}, {"open", "open db", "open nope"},
		{"add", "add db 127.0.0.1:1,name=c", "add db nowhere"}, {"remove", "remove db/c", "remove db/nope"},
		{"kick", "kick --service db", "kick"}, {"probe", "probe db/a", "probe nope"}, {"mark", "mark <b>", "mark"},
		{"restart", "restart db/b", "restart db/nope"}, {"roll", "roll db", "roll db nope"}, {"report", "report", "report nope"}, {"report", "report --since 1h", "report --html --since x"},
		{"window", "window db -- echo on the terminal", "window db -- false"}, {"plan", "", "plan bogus"}, {"cluster", "cluster init --dry-run", "cluster lead"},
		{"check", "check -c " + in.path, "check -c " + wrong}, {"reload", "reload", "reload x"},
		{"bundle", "debug bundle --seconds 0 --output " + filepath.Join(t.TempDir(), "b.tar.gz"), "debug bundle --seconds 61"},
		{"version", "version", "version x"}, {"themes", "themes", "themes x"}, {"doctor", "mesh doctor json --mdns=false", "mesh doctor --bogus"},
		{"upgrade", "upgrade --dry-run", "upgrade x"}, {"stop", "stop --dry-run", "stop --grace x"},
	}
	in.tcpctl("probe", "db") // waits until both are up
	said := map[string]bool{}
	for _, c := range commands {
		said[c.name] = true
		for _, line := range []string{c.good, c.bad} {
			if line == "" {
				continue
			}
			words := strings.Fields(line)
			at := len(words)
			for i, w := range words {
				if w == "--" {
					at = i
				}
			}
			words = append(append(append([]string{}, words[:at]...), "--json", "--socket", in.socket), words[at:]...)
			out, err := exec.Command("tcpctl", words...).Output()
			if failed := err != nil; failed != (line == c.bad) {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			dec := json.NewDecoder(strings.NewReader(string(out)))
			var doc, more any
			if err := dec.Decode(&doc); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
				continue
			}
			if err := dec.Decode(&more); err != io.EOF {
				t.Errorf("%s: more than one document\n%s", line, out)
			}
			if strings.Contains(string(out), "null") {
				t.Errorf("%s: a list or an object is null\n%s", line, out)
			}
			if strings.Contains(string(out), `\u003`) {
				t.Errorf("%s: characters are escaped needlessly\n%s", line, out)
			}
			if m, ok := doc.(map[string]any); line == c.bad && (!ok || m["error"] == nil && m["state"] == nil) {
				t.Errorf("%s: the failure has no message\n%s", line, out)
			}
		}
	}
	var look func(*cobra.Command)
	look = func(c *cobra.Command) {
		if c.Flags().Lookup("json") != nil && !said[c.Name()] {
			t.Errorf("%s takes --json and is not tested here", c.CommandPath())
		}
		for _, below := range c.Commands() {
			look(below)
		}
	}
	look(rootCommand())
}
