package proxy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRulesHaveTests: each rule in RULES.md names existing tests, each test with the
// number of a rule is listed under it, and other files mention only rules that exist.
func TestRulesHaveTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("RULES.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsOfTheModule(t)
	stands := map[string][]string{} // rule: the tests under it
	heading := regexp.MustCompile(`(?m)^### (\d+[a-z]?)\. .*$`)
	sections := heading.Split(string(text), -1)[1:]
	for i, h := range heading.FindAllStringSubmatch(string(text), -1) {
		rule := h[1]
		if _, twice := stands[rule]; twice {
			t.Errorf("RULES.md has rule %s twice", rule)
		}
		_, list, _ := strings.Cut(sections[i], "\nTests: ")
		for _, name := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(list, -1) {
			stands[rule] = append(stands[rule], name[1])
			if !slices.Contains(tests, name[1]) {
				t.Errorf("RULES.md has %s under rule %s, but no package has it", name[1], rule)
			}
		}
		if len(stands[rule]) == 0 {
			t.Errorf("rule %s names no test", rule)
		}
	}
	if len(stands) < 25 {
		t.Fatalf("RULES.md has %d rules: its headings cannot be read", len(stands))
	}
	named := regexp.MustCompile(`^TestRule0*(\d+[a-z]?)[A-Z]`)
	for _, name := range tests {
		m := named.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		if under, known := stands[m[1]]; !known {
			t.Errorf("%s is for rule %s, which RULES.md does not have", name, m[1])
		} else if !slices.Contains(under, name) {
			t.Errorf("%s is missing in RULES.md under rule %s: add its name to the rule's tests", name, m[1])
		}
	}
	mention := regexp.MustCompile(`\brules? (\d+[a-z]?)\b`)
	for _, end := range []string{".go", ".md"} {
		eachFile(end, func(path string, text []byte) {
			for _, m := range mention.FindAllSubmatch(text, -1) {
				if rule := string(m[1]); stands[rule] == nil {
					t.Errorf("%s mentions rule %s, which RULES.md does not have", path, rule)
				}
			}
		})
	}
}

// TestDocumentsNameWhatThereIs: tests and files that a document mentions exist,
// whatever was renamed.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	tests := testsOfTheModule(t)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)[`/]")
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	documents := 0
	err := eachFile(".md", func(path string, text []byte) {
		documents++
		for _, m := range named.FindAllSubmatch(text, -1) {
			if name := string(m[1]); !slices.Contains(tests, name) {
				t.Errorf("%s names %s, but no package has it", path, name)
			}
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), string(m[1]))); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if documents < 9 {
		t.Errorf("only %d documents", documents)
	}
}

// testsOfTheModule returns the names of all tests and fuzz targets, including those for
// other systems.
func testsOfTheModule(t *testing.T) (names []string) {
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := eachFile("_test.go", func(_ string, text []byte) {
		for _, m := range function.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// eachFile reads the files of the module with this suffix.
func eachFile(end string, read func(path string, text []byte)) error {
	return filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, end):
			return nil
		}
		text, err := os.ReadFile(path)
		read(path, text)
		return err
	})
}
