package reference

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// source holds the types and comments of the module's own source.
type source struct {
	root  string
	types map[string]*declared // by "package.Name"
	files map[string]*ast.File // by path below the root
	words map[string]typed     // constants of a type, by "package.Name"
}

// typed is a constant's type as it is written, and its value.
type typed struct{ typ, value string }

// declared is one type.
type declared struct {
	pkg  string // name of its package, which qualifies the names in typ
	doc  string // its comment, in one paragraph
	expr ast.Expr
}

// member is one field of a struct, those of embedded ones among them.
type member struct {
	name string // in Go
	json string // in JSON; "": none
	tag  reflect.StructTag
	omit bool // absent when it is empty
	typ  ast.Expr
	pkg  string // the package that typ is resolved in
	doc  string
}

// load reads all packages without their tests.
func load(root string) (*source, error) {
	s := &source{root: root, types: map[string]*declared{}, files: map[string]*ast.File{}, words: map[string]typed{}}
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && name != root):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		s.files[filepath.ToSlash(below)] = f
		s.note(f)
		return err
	})
	return s, err
}

func (s *source) noteWords(pkg string, g *ast.GenDecl) {
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		if len(v.Values) != 1 || v.Type == nil {
			continue
		}
		if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value)
			s.words[pkg+"."+v.Names[0].Name] = typed{s.name("", v.Type), value}
		}
	}
}

func (s *source) note(f *ast.File) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if ok && g.Tok == token.CONST {
			s.noteWords(f.Name.Name, g)
		}
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			t := spec.(*ast.TypeSpec)
			doc := cmp.Or(t.Doc, g.Doc)
			name := f.Name.Name + "." + t.Name.Name
			if _, known := s.types[name]; !known {
				s.types[name] = &declared{f.Name.Name, about(t.Name.Name, paragraph(doc, nil)), t.Type}
			}
		}
	}
}

// paragraph joins the texts of two comments.
func paragraph(above, behind *ast.CommentGroup) string {
	var all []string
	for _, c := range []*ast.CommentGroup{above, behind} {
		if c != nil {
			all = append(all, strings.Fields(c.Text())...)
		}
	}
	return strings.Join(all, " ")
}

// about turns "Status is everything at one moment." into "Everything at one moment.", as the name
// is in the heading.
func about(name, text string) string {
	for _, verb := range []string{" is ", " are "} {
		if after, ok := strings.CutPrefix(text, name+verb); ok {
			return capital(after)
		}
	}
	return capital(text)
}

// members returns the fields of a named struct.
func (s *source) members(name string) ([]member, error) {
	d := s.types[name]
	if d == nil {
		return nil, fmt.Errorf("there is no type %s", name)
	}
	return s.membersOf(d)
}

// printed calls use with each field of a struct that is in its JSON, and its shape.
func (s *source) printed(name string, use func(*member, shape) error) error {
	members, err := s.members(name)
	for i := range members {
		m := &members[i]
		if m.json == "" || err != nil {
			continue
		}
		var t shape
		if t, err = s.shape(m.pkg, m.typ); err != nil {
			return fmt.Errorf("%s.%s: %w", name, m.name, err)
		}
		err = use(m, t)
	}
	return err
}

func (s *source) membersOf(d *declared) (all []member, err error) {
	st, ok := d.expr.(*ast.StructType)
	if !ok {
		return nil, nil
	}
	for _, f := range st.Fields.List {
		var tag reflect.StructTag
		if f.Tag != nil {
			text, _ := strconv.Unquote(f.Tag.Value)
			tag = reflect.StructTag(text)
		}
		key, option, _ := strings.Cut(tag.Get("json"), ",")
		if len(f.Names) == 0 && key == "" {
			inner, err := s.members(s.name(d.pkg, f.Type))
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
			continue
		}
		m := member{json: key, omit: strings.Contains(option, "omitempty") || strings.Contains(option, "omitzero"), tag: tag, typ: f.Type, pkg: d.pkg, doc: paragraph(f.Doc, f.Comment)}
		if key == "-" {
			m.json = ""
		}
		if len(f.Names) == 0 {
			m.name = last(s.name(d.pkg, f.Type))
			all = append(all, m)
		}
		for _, n := range f.Names {
			m.name = n.Name
			all = append(all, m)
		}
	}
	return translated(all), nil
}

var word = regexp.MustCompile(`[A-Z]\w+`)

// translated replaces the Go names of other fields in comments by their JSON names.
func translated(all []member) []member {
	names := map[string]string{}
	for _, m := range all {
		if key := m.tag.Get("toml"); key != "" {
			names[m.name] = key
		} else if m.json != "" {
			names[m.name] = m.json
		}
	}
	for i := range all {
		m := &all[i]
		if after, ok := strings.CutPrefix(m.doc, m.name+" "); ok {
			m.doc = strings.TrimPrefix(strings.TrimPrefix(after, "is "), "are ")
		}
		first := true
		m.doc = word.ReplaceAllStringFunc(m.doc, func(w string) string {
			begins := first && strings.HasPrefix(m.doc, w) // at the start of a sentence it is just a word, like "From"
			first = false
			if key, ok := names[w]; ok && !begins {
				return code(key)
			}
			return w
		})
	}
	return all
}

// name returns a type's name without its package's path, like "proxy.Record".
func (s *source) name(pkg string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		if _, ours := s.types[pkg+"."+e.Name]; ours {
			return pkg + "." + e.Name
		}
		return e.Name
	case *ast.SelectorExpr:
		return e.X.(*ast.Ident).Name + "." + e.Sel.Name
	case *ast.StarExpr:
		return s.name(pkg, e.X)
	}
	return ""
}

func last(name string) string { return strings.TrimPrefix(path.Ext(name), ".") }
