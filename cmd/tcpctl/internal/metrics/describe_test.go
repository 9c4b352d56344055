package metrics

import (
	"os"
	"regexp"
	"testing"
)

// What is collected is what Describe says it is.
func TestDescribeGivesTheTypes(t *testing.T) {
	text, err := os.ReadFile("testdata/metrics.golden")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, d := range Describe() {
		types[d.Name] = d.Type
		if d.Help == "" {
			t.Errorf("%s has no help", d.Name)
		}
	}
	found := regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllSubmatch(text, -1)
	if len(found) == 0 {
		t.Fatal("no types in the golden file")
	}
	for _, m := range found {
		if got := types[string(m[1])]; got != string(m[2]) {
			t.Errorf("%s is a %s; Describe says %q", m[1], m[2], got)
		}
	}
}
