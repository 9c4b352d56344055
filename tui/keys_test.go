package tui

import (
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/api"
)

func TestKeyTable(t *testing.T) {
	panes := newPanes()
	k, err := newKeymap(nil, panes, nil)
	if err != nil {
		t.Fatal(err)
	}
	forbidden := []string{"ctrl+z", "ctrl+s", "ctrl+q", "ctrl+k"}
	for _, p := range panes {
		for _, b := range k.in(p.name()) {
			if b.help == "" || len(b.Keys()) == 0 || b.name == "" {
				t.Errorf("%s: %+v has no help, key or name", p.name(), b)
			}
			for _, key := range b.Keys() {
				for _, f := range forbidden {
					if key == f {
						t.Errorf("%s is bound to %s", b.name, key)
					}
				}
				if key == "ctrl+d" && b.name != "half_down" || key == "ctrl+u" && b.name != "half_up" {
					t.Errorf("%s does something else than scroll: %s", key, b.name)
				}
			}
			if b.act == "" || api.Lookup(b.act) == nil {
				continue // no act, or one that the engine does not offer yet
			}
			// Each act has a CLI command, which the console's command line accepts, too.
			r := api.Request{Act: b.act, Targets: []string{"x/y"}}
			if !strings.HasPrefix(r.CommandLine(), "tcpctl "+b.act) {
				t.Errorf("%s: its command is %q", b.name, r.CommandLine())
			}
			if !contains(commandWords(), b.act) {
				t.Errorf("%s is not a command", b.act)
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// A read-only console refuses every act, by key and by command, without asking the engine.
func TestReadOnlyRefusesEachAct(t *testing.T) {
	c := newConsole(t, edge(), 140, 45, func(cfg *Config) { cfg.ReadOnly = true })
	targets := map[api.Target]string{api.OnService: "office", api.OnBackend: "db-front/pg-a", api.OnSession: "s4717"}
	for _, a := range api.Acts {
		line := a.Name + " " + targets[a.On]
		if a.Args != "" {
			line += " 7"
		}
		c.command(line)
		if c.overlay() != nil || !strings.Contains(c.message.text, "read-only") {
			t.Errorf("%s: %q", line, c.message.text)
		}
		c.message.dismiss()
	}
	for _, pane := range []string{"1", "2", "4"} {
		c.press(pane)
		for _, b := range c.keys.in(c.pane().name()) {
			if b.act == "" {
				continue
			}
			c.press(keyName(b.Keys()[0]))
			if c.overlay() != nil || c.message.text == "" {
				t.Errorf("%s in %s asks for something", b.name, c.pane().name())
			}
			c.message.dismiss()
		}
	}
	c.press("q s")
	c.sees("read-only")
	if n := len(c.engine.acts()); n > 0 {
		t.Errorf("the engine was asked for %d acts", n)
	}
	c.sees(" RO ")
}

func TestRemappedKeys(t *testing.T) {
	for _, c := range []struct {
		remap map[string]string
		want  string
	}{
		{map[string]string{"drain": "x"}, ""},
		{map[string]string{"drain": "u", "ready": "d"}, ""},
		{map[string]string{"drain": "x ctrl+x"}, ""},
		{map[string]string{"drain": "u"}, "u is both drain and ready in Backends"},
		{map[string]string{"kick": "j"}, "j is both kick and down in Queue"},
		{map[string]string{"zoom": "space"}, "space is both "},
		{map[string]string{"dran": "x"}, `there is no action "dran"; did you mean "drain"?`},
		{map[string]string{"drain": " "}, "drain has no key"},
		{map[string]string{"drain": "ctrl+z"}, "ctrl+z is not offered"},
	} {
		err := CheckKeys(c.remap)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%v: %v", c.remap, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v: %v, not %q", c.remap, err, c.want)
		}
	}
	c := newConsole(t, edge(), 100, 40, func(cfg *Config) { cfg.Keys = map[string]string{"drain": "x"} })
	c.press("x")
	c.sees("Drain db-front/pg-a ?")
	c.press("esc ?")
	c.write("was")
	c.sees("was d")
}

func TestTheKeyLineSaysWhatWorksHere(t *testing.T) {
	c := newConsole(t, edge(), 140, 45)
	c.sees("d drain  u ready  m maint", "P pause")
	c.press("up")
	c.seesNot("d drain") // a service cannot be drained
	c.press("d")
	c.sees("the cursor is on a service")
	c.press("2 v") // from the service under the cursor to the next one
	c.sees(" K kick  P pause")
	c.press("3")
	c.seesNot("  K kick")
	c.sees("enter open  D drain everywhere")
	c.press("6 j")
	c.sees("this pane has no rows")
}
