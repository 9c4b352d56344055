package main

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tcpctl/tcpctl"

// mayImport says which of our packages each of our packages may import; an entry that ends in /...
// stands for a package and all below it. For a new package, add a line here and one to the map in
// CONTRIBUTING.md.
var mayImport = map[string][]string{
	"proxy/text":               {}, // for messages
	"lock":                     {}, // the standard library only
	"lock/cluster":             {}, // only decides: its log and streams are passed in
	"lock/cluster/raftlog":     {"lock/cluster"},
	"ws":                       {},
	"mesh":                     {"mesh/meshinfo", "mesh/internal/..."},
	"mesh/...":                 {"mesh/internal/..."}, // internal: multicast DNS and text, which know nothing about nodes
	"mesh/meshinfo":            {},                    // plain values
	"mesh/meshtest":            {"mesh"},
	"themes":                   {"proxy/text"},
	"proxy/relay":              {"proxy/internal/abort", "proxy/internal/tlsrecord"},
	"proxy/health":             {"proxy/internal/abort"},
	"proxy/command":            {},
	"proxy/proxytest":          {}, // for tests, including users' own
	"proxy/...":                {}, // internal: leaves
	"proxy/internal/tlsclient": {"lock", "proxy/relay"},
	"proxy":                    {"lock", "proxy/relay", "proxy/health", "proxy/command", "proxy/text", "proxy/internal/..."},
	"proxy/api":                {"proxy", "proxy/text", "mesh/meshinfo"},
	"proxy/incident":           {"proxy", "proxy/api", "proxy/text"},
	"tui":                      {"proxy", "proxy/api", "proxy/incident", "proxy/text", "mesh/meshinfo", "themes", "tui/internal/..."}, // proxy: values only
	"tui/...":                  {"proxy/text", "themes", "tui/internal/..."},                                                          // internal: drawing and the terminal, which know nothing about the engine
	"cmd/tcpctl":               {"proxy/text", "proxy/...", "lock", "tui", "mesh/...", "ws", "themes", "cmd/tcpctl/internal/..."},
	"cmd/tcpctl/...":           {"proxy/text", "proxy/...", "lock/...", "mesh/...", "ws", "cmd/tcpctl/internal/..."}, // internal: all but the terminal
}

// pkg is what go list says about a package.
type pkg struct {
	ImportPath, Dir  string
	GoFiles, Imports []string
	IgnoredGoFiles   []string // for other systems
	Standard         bool
}

// packages runs go list.
func packages(t *testing.T, args ...string) []pkg {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command")
	}
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,GoFiles,IgnoredGoFiles,Imports,Standard"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.Bytes())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// ours removes the module's path; it returns false for packages of other modules.
func ours(path string) (string, bool) { return strings.CutPrefix(path, module+"/") }

func TestWhoMayImportWhom(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, module+"/...") {
		name, _ := ours(p.ImportPath)
		allowed, known := mayImport[name]
		for _, all := range []string{"cmd/tcpctl/...", "proxy/...", "tui/...", "mesh/..."} {
			if !known && matches(all, name) && strings.Contains(name, "/internal/") {
				allowed, known = mayImport[all], true
			}
		}
		if !known {
			t.Errorf("%s is not in the table", name)
			continue
		}
		for _, i := range p.Imports {
			imported, of := ours(i)
			if of && !slices.ContainsFunc(allowed, func(pattern string) bool { return matches(pattern, imported) }) {
				t.Errorf("%s imports %s; it may import %v", name, imported, allowed)
			}
		}
	}
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	return name == pattern
}

func TestLeavesNeedTheStandardLibraryOnly(t *testing.T) {
	t.Parallel()
	for _, leaf := range []string{"lock", "lock/cluster", "mesh/meshinfo"} {
		for _, p := range packages(t, "-deps", module+"/"+leaf) {
			if name, of := ours(p.ImportPath); !p.Standard && !(of && name == leaf) {
				t.Errorf("%s needs %s", leaf, p.ImportPath)
			}
		}
	}
}

// TestActsNeedNoMesh: importing the acts or the console does not pull in the mesh or its
// dependencies.
func TestActsNeedNoMesh(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, "-deps", module+"/proxy/api", module+"/tui") {
		if name, _ := ours(p.ImportPath); name == "mesh" || strings.HasPrefix(p.ImportPath, "github.com/hashicorp/") {
			t.Errorf("proxy/api or tui needs %s", p.ImportPath)
		}
	}
}

func TestEachPackageHasOnePackageComment(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, module+"/...") {
		var with []string
		for _, file := range append(p.GoFiles, p.IgnoredGoFiles...) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Error(err)
				continue
			}
			if f.Doc != nil {
				with = append(with, file)
			}
		}
		if len(with) != 1 {
			name, _ := ours(p.ImportPath)
			t.Errorf("%s has %d package comments: %v", name, len(with), with)
		}
	}
}
