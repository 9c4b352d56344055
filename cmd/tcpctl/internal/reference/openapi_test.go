package reference_test

import (
	"encoding/json"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
)

var answers = flag.String("answers", "", "a file of what a control socket has answered, as TestTheDescriptionIsTheControlSockets of cmd/tcpctl writes it")

// TestAnswersAreAsDescribed: answers match openapi.json, without extra fields. This test is not in cmd/tcpctl, whose test
// binary is started as tcpctl over a thousand times: jsonschema compiles its own schemas at each start of a process.
func TestAnswersAreAsDescribed(t *testing.T) {
	if *answers == "" {
		t.Skip("there is no instance: TestTheDescriptionIsTheControlSockets of cmd/tcpctl has one")
	}
	var all []struct {
		Path, Method string
		Status       int
		Text         string
	}
	if err := json.Unmarshal([]byte(readFile(t, *answers)), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Error("there are no answers")
	}
	document := parsed(t, "openapi.json", readFile(t, "../../docs/openapi.json"))
	schemas := document.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		schemas[name].(map[string]any)["additionalProperties"] = false
	}
	for _, a := range all {
		of := "default"
		if a.Status == 200 {
			of = "200"
		}
		at := "#/paths/" + strings.ReplaceAll(a.Path, "/", "~1") + "/" + a.Method + "/responses/" + of + "/content/application~1json/schema"
		name := a.Method + " " + a.Path
		if err := compiled(t, document, at).Validate(parsed(t, name, a.Text)); err != nil {
			t.Errorf("%s: %d: %v\n%s", name, a.Status, err, a.Text)
		}
	}
}
