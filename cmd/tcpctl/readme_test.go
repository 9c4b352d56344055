package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTheReadmesProgramsAreTested: each program in the README is part of an Example that is run.
func TestTheReadmesProgramsAreTested(t *testing.T) {
	examples := readFile(t, "../../proxy/example_test.go") + readFile(t, "../../lock/example_test.go")
	examples = strings.ReplaceAll(examples, "\n\t", "\n") // from inside a function
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readFile(t, "../../README.md"), -1)
	if len(programs) < 2 {
		t.Errorf("the README has %d programs", len(programs))
	}
	for _, p := range programs {
		if !strings.Contains(examples, p[1]) {
			t.Errorf("no example has this:\n%s", p[1])
		}
	}
}

// TestTheReadmeHasEachCommand in its tables, and no others. An unfinished command may be among the
// announced ones.
func TestTheReadmeHasEachCommand(t *testing.T) {
	_, after, _ := strings.Cut(readFile(t, "../../README.md"), "\n## Commands\n")
	section, _, _ := strings.Cut(after, "\n## ")
	section = strings.ReplaceAll(section, `\|`, " ")
	tables, announced, _ := strings.Cut(section, "\nNot in this version yet")
	said := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| [^|]+`).FindAllString(tables, -1) {
		for _, code := range regexp.MustCompile("`[^`]+`").FindAllString(row, -1) {
			words := strings.Fields(strings.TrimPrefix(strings.Trim(code, "`"), "tcpctl "))
			if words[0] != "tcpctl" && !strings.HasPrefix(words[0], "-") {
				said[words[0]] = true
			}
		}
	}
	for _, c := range rootCommand().Commands() {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		if !said[c.Name()] && !strings.Contains(announced, "`"+c.Name()+"`") {
			t.Errorf("the README's tables do not have %q", c.Name())
		}
		for _, name := range append(c.Aliases, c.Name()) {
			delete(said, name)
		}
	}
	for name := range said {
		t.Errorf("the README has %q, which is no command", name)
	}
}

// TestLinksOfTheDocuments: links lead to existing files and headings.
func TestLinksOfTheDocuments(t *testing.T) {
	link, heading := regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)\s]+))?\)`), regexp.MustCompile(`(?m)^#+ (.*)$`)
	mark := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	n := 0
	for _, path := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "cmd/tcpctl/docs/operating.md", "cmd/tcpctl/examples/README.md",
		"proxy/relay/DESIGN.md", "ws/DESIGN.md", "mesh/DESIGN.md", "tui/DESIGN.md"} {
		for _, m := range link.FindAllStringSubmatch(readFile(t, filepath.Join("../..", path)), -1) {
			to, anchor := m[1], m[2]
			if strings.Contains(to, "://") {
				continue
			}
			n++
			file := filepath.Join("../..", filepath.Dir(path), to)
			if to == "" {
				file = filepath.Join("../..", path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", path, to, err)
				continue
			}
			if anchor == "" {
				continue
			}
			there := false
			for _, h := range heading.FindAllStringSubmatch(readFile(t, file), -1) {
				there = there || strings.ReplaceAll(mark.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor
			}
			if !there {
				t.Errorf("%s links to %s#%s, which is no heading there", path, to, anchor)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d links", n)
	}
}
