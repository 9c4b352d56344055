package themes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each embedded theme passes the Check that a user's theme has to pass.
func TestShippedThemesAreRight(t *testing.T) {
	names := Names("")
	if len(names) != 6 {
		t.Fatalf("shipped: %v", names)
	}
	for _, name := range names {
		r, err := Check(name + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Problems {
			t.Errorf("%s: %s", name, p)
		}
		t.Logf("%-14s lowest contrast %.1f %v", name, r.Contrast, r.Notes)
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestErrorsNameFileLineAndTheNearest(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"about = \"x\"\n[roles]\nstate_upp = \"red\"\n", `own.toml:3: unknown role "state_upp"; did you mean "state_up"?`},
		{"[roles]\ntext = \"gren\"\n", `own.toml:2: "gren" is neither a colour nor in the palette; did you mean "green"?`},
		{"[roles]\n\ntext = { fg = \"red\", bolt = true }\n", `own.toml:3: unknown key "bolt" in role "text"; did you mean "bold"?`},
		{"[palette]\nx = \"#12\"\n", `own.toml:2: colour "#12" is not #rrggbb`},
		{"[palete]\nx = \"red\"\n", `own.toml:1: unknown key "palete"; did you mean "palette"?`},
		{"inherits = \"drak\"\n", `own.toml:1: there is no theme "drak"; did you mean "dark"?`},
		{"inherits = \"own\"\n", `own.toml:1: there is no theme "own"`},
		{"[glyphs]\nset = \"asci\"\n", `own.toml:2: "asci" is not a set of glyphs; did you mean "ascii"?`},
		{"[roles]\ntext = 300\n", `own.toml:2: colour 300 is not between 0 and 255`},
		{"[roles\n", `own.toml:2: expected`},
		{"about = 3\n", "own.toml"},
	} {
		dir := t.TempDir()
		write(t, dir, "own.toml", c.text)
		_, err := Load("own", dir)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestAnHeirsPaletteColoursInheritedRoles(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "sea.toml", "inherits = \"dark\"\n[palette]\ngreen = \"#00ff00\"\n[glyphs]\nset = \"ascii\"\n")
	th, err := Load("sea", dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := th.Style(StateUp).FG; got != (Color{Kind: RGB, G: 255}) {
		t.Errorf("state_up is %+v", got)
	}
	if !th.Glyphs.ASCII || len(th.Files) != 1 || th.Files[0] != path {
		t.Errorf("glyphs %v, files %v", th.Glyphs.ASCII, th.Files)
	}
}

func TestAUsersThemeHidesTheShippedOne(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "dark.toml", "about = \"mine\"\ninherits = \"dark\"\n")
	write(t, dir, "broken.toml", "[roles]\nnope = 1\n")
	found := 0
	for _, info := range List(dir) {
		switch info.Name {
		case "dark":
			found++
			if info.About != "mine" || info.File == "" || info.Err != nil {
				t.Errorf("%+v", info)
			}
		case "broken":
			found++
			if info.Err == nil {
				t.Error("broken.toml has no error")
			}
		}
	}
	if found != 2 {
		t.Errorf("found %d of 2", found)
	}
}

func TestACircleOfParentsEnds(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.toml", "inherits = \"b\"\n")
	write(t, dir, "b.toml", "inherits = \"a\"\n")
	if _, err := Load("a", dir); err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Errorf("got %v", err)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "bad.toml", `
[roles]
surface     = { bg = "#202020" }
text        = "#404040"
state_up    = "#60b060"
state_drain = "#b0a040"
state_down  = "#c07a40"
`)
	r, err := Check(path)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(r.Problems, "\n")
	for _, want := range []string{"role title is missing", "role text has a contrast of 1.6", "state_drain and state_down look alike with"} {
		if !strings.Contains(all, want) {
			t.Errorf("not found: %s\n%s", want, all)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Names("") {
		text, _ := embedded.ReadFile(name + ".toml")
		f.Add(string(text))
	}
	f.Add("[roles]\ntext = {fg = 3, bold = 4}\n[glyphs]\ngraph='x'")
	f.Fuzz(func(t *testing.T, text string) {
		th, err := parse("own", "own.toml", text)
		if err == nil {
			_, err = th.build("")
		}
		if err != nil && !strings.HasPrefix(err.Error(), "themes: ") {
			t.Errorf("error without its package: %v", err)
		}
	})
}
