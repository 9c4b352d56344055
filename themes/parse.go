package themes

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// A file is one theme's file as it was written, not yet resolved: an inherited role
// uses the palette of the theme that inherits it, so that a theme may consist of a
// palette only.
type file struct {
	name, path string
	embedded   bool
	lines      keyLines

	About    string            `toml:"about"`
	Inherits string            `toml:"inherits"`
	Palette  map[string]string `toml:"palette"`
	Roles    map[string]any    `toml:"roles"`
	Glyphs   map[string]string `toml:"glyphs"`
}

// A roleValue is the value of a role in a file.
type roleValue struct {
	value any
	file  *file
}

// parse parses one file strictly. Errors name the file and the line.
func parse(name, path, text string) (*file, error) {
	f := &file{name: name, path: path, lines: findKeys(text)}
	meta, err := toml.Decode(text, f)
	if err != nil {
		if perr, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fmt.Errorf("themes: %s:%d: %s; a theme is a file in TOML", path, perr.Position.Line, strings.TrimSuffix(perr.Message, "."))
		}
		return nil, fmt.Errorf("themes: %s: %s", path, strings.TrimPrefix(err.Error(), "toml: "))
	}
	for _, key := range meta.Undecoded() {
		if key[0] == "roles" {
			continue // a role's table: style checks its keys
		}
		return nil, f.errorf(strings.Join(key, "."), "unknown key %q%s", key[len(key)-1],
			hint(key[0], []string{"about", "inherits", "palette", "roles", "glyphs"}))
	}
	for _, role := range sorted(f.Roles) {
		if !slices.Contains(roleNames[:], role) {
			return nil, f.errorf("roles."+role, "unknown role %q%s", role, hint(role, roleNames[:]))
		}
	}
	for _, name := range sorted(f.Palette) {
		if _, err := parseColor(f.Palette[name]); err != nil {
			if err == errNoColor {
				err = fmt.Errorf("%q is not a colour: use #rrggbb, a number from 0 to 255, default, or one of %s",
					f.Palette[name], strings.Join(ansiNames[:8], ", "))
			}
			return nil, f.errorf("palette."+name, "%v", err)
		}
	}
	return f, nil
}

func (f *file) errorf(key, format string, args ...any) error {
	return fmt.Errorf("themes: %s:%d: %s", f.path, f.lines.line(key), fmt.Sprintf(format, args...))
}

// build resolves what f inherits and makes its styles. A role that is not defined is
// that of the default theme, so that every theme can be drawn; Check reports it.
func (f *file) build(userDir string) (*Theme, error) {
	chain, err := f.chain(userDir)
	if err != nil {
		return nil, err
	}
	t := &Theme{Name: f.name, About: f.About, Glyphs: unicodeGlyphs}
	palette, roles := map[string]string{}, map[string]roleValue{}
	for _, from := range slices.Backward(chain) {
		for k, v := range from.Palette {
			palette[k] = v
		}
		for k, v := range from.Roles {
			roles[k] = roleValue{v, from}
		}
		if err := from.glyphs(&t.Glyphs); err != nil {
			return nil, err
		}
	}
	for _, from := range chain {
		if !from.embedded {
			t.Files = append(t.Files, from.path)
		}
	}
	for role, name := range roleNames {
		v, ok := roles[name]
		if !ok {
			continue
		}
		style, err := v.file.style(name, v.value, palette)
		if err != nil {
			return nil, err
		}
		t.styles[role], t.defined[role] = style, true
	}
	if f.name != "default" && slices.Contains(t.defined[:], false) {
		base, err := Load("default", "")
		if err != nil {
			return nil, err
		}
		for role, named := range t.defined {
			if !named {
				t.styles[role] = base.styles[role]
			}
		}
	}
	return t, nil
}

// chain is the file and all that it inherits from, one after another.
func (f *file) chain(userDir string) ([]*file, error) {
	chain := []*file{f}
	for at := f; at.Inherits != ""; {
		if len(chain) > maxParents {
			return nil, f.errorf("inherits", "more than %d parents, or a cycle", maxParents)
		}
		// A user's "dark" that inherits "dark" means the embedded one.
		dir := userDir
		if at.Inherits == at.name && !at.embedded {
			dir = ""
		}
		parent, err := readTheme(at.Inherits, dir)
		if err != nil {
			return nil, at.errorf("inherits", "%s", strings.TrimPrefix(err.Error(), "themes: "))
		}
		chain = append(chain, parent)
		at = parent
	}
	return chain, nil
}

// style makes a Style from "red", "#ff0000", a name in the palette, or a table.
func (f *file) style(role string, value any, palette map[string]string) (s Style, err error) {
	key := "roles." + role
	table, isTable := value.(map[string]any)
	if !isTable {
		s.FG, err = f.color(key, value, palette)
		return s, err
	}
	for _, k := range sorted(table) {
		flag, isFlag := table[k].(bool)
		into := map[string]*bool{"bold": &s.Bold, "dim": &s.Dim, "underline": &s.Underline, "reverse": &s.Reverse}[k]
		switch {
		case k == "fg":
			s.FG, err = f.color(key, table[k], palette)
		case k == "bg":
			s.BG, err = f.color(key, table[k], palette)
		case into == nil:
			err = f.errorf(key, "unknown key %q in role %q%s", k, role, hint(k, []string{"fg", "bg", "bold", "dim", "underline", "reverse"}))
		case !isFlag:
			err = f.errorf(key, "%s of role %q must be true or false", k, role)
		default:
			*into = flag
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

func (f *file) color(key string, value any, palette map[string]string) (Color, error) {
	name, ok := value.(string)
	if n, isNumber := value.(int64); isNumber {
		name, ok = fmt.Sprint(n), true
	}
	if !ok {
		return Color{}, f.errorf(key, "a colour must be a string or a number, not %v", value)
	}
	if v, found := palette[name]; found {
		name = v // it was checked when its file was parsed
	}
	c, err := parseColor(name)
	if err == errNoColor {
		err = fmt.Errorf("%q is neither a colour nor in the palette%s", name, hint(name, append(sorted(palette), ansiNames...)))
	}
	if err != nil {
		return Color{}, f.errorf(key, "%v", err)
	}
	return c, nil
}

// glyphs applies `set` first, as it replaces everything, then `graph`.
func (f *file) glyphs(g *Glyphs) error {
	for _, k := range sorted(f.Glyphs) {
		if k != "set" && k != "graph" {
			return f.errorf("glyphs."+k, "unknown key %q%s", k, hint(k, []string{"set", "graph"}))
		}
	}
	switch set := f.Glyphs["set"]; set {
	case "":
	case "unicode":
		*g = unicodeGlyphs
	case "ascii":
		*g = asciiGlyphs
	default:
		return f.errorf("glyphs.set", "%q is not a set of glyphs%s", set, hint(set, []string{"unicode", "ascii"}))
	}
	graphs := []string{"braille", "block", "ascii"}
	if graph := f.Glyphs["graph"]; slices.Contains(graphs, graph) {
		g.Graph = graph
	} else if graph != "" {
		return f.errorf("glyphs.graph", "%q is not a kind of graph%s", graph, hint(graph, graphs))
	}
	return nil
}
