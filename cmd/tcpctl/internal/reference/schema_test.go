package reference_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
)

// compiled compiles a schema.
func compiled(t *testing.T, document any, at string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json" + at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTheSchemaTakesWhatTheProgramTakes: the output of init, also with its keys uncommented, and
// each of the examples.
func TestTheSchemaTakesWhatTheProgramTakes(t *testing.T) {
	schema := configSchema(t)
	files, _ := filepath.Glob("../../examples/*.toml")
	texts := map[string]string{"tcpctl init": string(config.Init()),
		"all that tcpctl init has in comments": regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(config.Init()), "$1")}
	for _, f := range files {
		texts[f] = readFile(t, f)
	}
	if len(files) < 8 {
		t.Errorf("%d examples", len(files))
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := schema.Validate(asJSON(t, name, texts[name])); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheSchemaRefusesUnknownKeys and values of a wrong type, as the program does.
func TestTheSchemaRefusesUnknownKeys(t *testing.T) {
	schema := configSchema(t)
	files, _ := filepath.Glob("../config/testdata/bad/*.toml")
	n := 0
	for _, f := range files {
		says := readFile(t, strings.TrimSuffix(f, ".toml")+".txt")
		if !strings.Contains(says, "unknown key") && !strings.Contains(says, "want a ") && !strings.Contains(says, "has no unit") {
			continue
		}
		var v map[string]any
		if _, err := toml.Decode(readFile(t, f), &v); err != nil {
			continue // not TOML
		}
		n++
		if schema.Validate(asJSON(t, f, readFile(t, f))) == nil {
			t.Errorf("the schema accepts %s, and the program does not: %s", f, says)
		}
	}
	if n < 5 {
		t.Errorf("only %d files to try it with", n)
	}
}

func configSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return compiled(t, parsed(t, "config.schema.json", readFile(t, "../../docs/config.schema.json")), "")
}

// asJSON converts TOML to the JSON that an editor validates.
func asJSON(t *testing.T, name, text string) any {
	t.Helper()
	var v map[string]any
	if _, err := toml.Decode(text, &v); err != nil {
		t.Fatal(name, err)
	}
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(name, err)
	}
	return parsed(t, name, string(doc))
}

func parsed(t *testing.T, name, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(name, err)
	}
	return v
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
