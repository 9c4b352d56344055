package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/reference"
)

var update = flag.Bool("update", false, "rewrite the references in docs/")

// documents lists what commands print with --json.
var documents = []reference.Document{
	{Name: "tcpctl status --json", Type: "api.Status"},
	{Name: "tcpctl sessions --json", Type: "[]proxy.SessionInfo"},
	{Name: "tcpctl queue SERVICE --json", Type: "[]proxy.WaiterInfo"},
	{Name: "tcpctl queue SERVICE --json, of a lock of the cluster", Type: "api.Line"},
	{Name: "tcpctl events --json", Type: "[]proxy.Event"},
	{Name: "tcpctl history --json", Type: "[]proxy.Event"},
	{Name: "tcpctl top --json", Type: "api.Top"},
	{Name: "tcpctl report --json", Type: "proxy.Report"},
	{Name: "tcpctl report --since TIME --json", Type: "api.Incident"},
	{Name: "tcpctl window … --json", Type: "proxy.Report"},
	{Name: "tcpctl peers --json", Type: "api.Mesh"},
	{Name: "tcpctl mesh doctor NAME --json", Type: "mesh.Diagnosis"},
	{Name: "tcpctl cluster doctor --json", Type: "api.ClusterDiagnosis"},
	{Name: "tcpctl check --json", Type: "main.checked"},
	{Name: "tcpctl themes --json", Type: "[]main.themeInfo"},
	{Name: "tcpctl version --json", Type: "build.Binary"},
	{Name: "every act with --json", Type: "api.Result"},
	{Name: "any command that fails, with --json", Type: "api.ErrorBody"},
}

// TestReferencesAreWhatTheProgramHas generates the references and compares them with the files.
func TestReferencesAreWhatTheProgramHas(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	made, err := reference.Files(root, rootCommand(), documents)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	filepath.WalkDir("docs", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			below, _ := filepath.Rel("docs", name)
			there[filepath.ToSlash(below)] = true
		}
		return err
	})
	for _, name := range slices.Sorted(maps.Keys(made)) {
		path := filepath.Join("docs", filepath.FromSlash(name))
		delete(there, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, made[name], 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		is, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(is, made[name]) {
			t.Errorf("docs/%s is out of date (-file +program); run: go generate ./cmd/tcpctl\n%s", name, diff.Diff("file", is, "program", made[name]))
		}
	}
	delete(there, "operating.md") // written by hand
	for name := range there {
		if *update {
			os.Remove(filepath.Join("docs", name))
		} else {
			t.Errorf("docs/%s is no longer generated; run: go generate ./cmd/tcpctl", name)
		}
	}
}

// TestReferenceHasEachKeyOfTheDecoder compares config.md with the decoder's keys.
func TestReferenceHasEachKeyOfTheDecoder(t *testing.T) {
	text, err := references.ReadFile("docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	heading, row := regexp.MustCompile("^## `\\[(.+)\\]`$"), regexp.MustCompile("^\\| `(\\w+)` \\|")
	said, table := map[string]bool{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := heading.FindStringSubmatch(line); m != nil {
			table = strings.NewReplacer("services.NAME", "services.*", "backends[]", "backends.*").Replace(m[1])
		} else if m := row.FindStringSubmatch(line); m != nil {
			said[table+"."+m[1]] = true
		}
	}
	missing, n := 0, 0
	for _, k := range config.Keys() {
		if k.Optional || k.Kind == config.KindTable || k.Kind == config.KindTables {
			continue
		}
		if n++; !said[k.Path] {
			missing++
			t.Errorf("docs/config.md has no %s; run: go generate ./cmd/tcpctl", k.Path)
		}
		delete(said, k.Path)
	}
	for path := range said {
		t.Errorf("docs/config.md has %s, which the decoder does not accept; run: go generate ./cmd/tcpctl", path)
	}
	t.Logf("%d keys of the decoder: %d missing in the reference, %d extra", n, missing, len(said))
}

// TestReferencesLinkToWhatIsThere follows the links between the references.
func TestReferencesLinkToWhatIsThere(t *testing.T) {
	link, heading := regexp.MustCompile(`\]\(([^)#]*)#?([^)]*)\)`), regexp.MustCompile(`(?m)^#+ (.*)$`)
	files, _ := references.ReadDir("docs")
	for _, f := range files {
		text, _ := references.ReadFile("docs/" + f.Name())
		if !strings.HasSuffix(f.Name(), ".md") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to := m[1]
			if strings.Contains(to, "://") {
				continue
			}
			if to == "" {
				to = f.Name()
			}
			target, err := references.ReadFile("docs/" + to)
			if err != nil {
				t.Errorf("%s links to %s: %v", f.Name(), to, err)
			}
			there := m[2] == ""
			for _, h := range heading.FindAllStringSubmatch(string(target), -1) {
				there = there || strings.ToLower(h[1]) == m[2]
			}
			if !there {
				t.Errorf("%s links to %s#%s, which is no heading", f.Name(), to, m[2])
			}
		}
	}
}

// TestSchemasAreJSON: the schemas for editors and client generators are valid JSON.
func TestSchemasAreJSON(t *testing.T) {
	for _, name := range []string{"config.schema.json", "openapi.json"} {
		text, err := references.ReadFile("docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		refs := regexp.MustCompile(`"#/components/schemas/(\w+)"`).FindAllStringSubmatch(string(text), -1)
		for _, m := range refs {
			if schemas := v["components"].(map[string]any)["schemas"].(map[string]any); schemas[m[1]] == nil {
				t.Errorf("%s has no schema %s", name, m[1])
			}
		}
	}
}
