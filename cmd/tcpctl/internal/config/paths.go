package config

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// path makes a relative path absolute: it is relative to the configuration's folder, so that it
// means the same wherever tcpctl is started.
func (d *decoder) path(path, name, want string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(d.dir, name)
	}
	if want == "new" || !d.exist {
		return name
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		d.wrong(path, neighbour(name), "%s: there is no %s %q", last(path), want, name)
	case info.IsDir() != (want == "folder"):
		hint := "name a file in it"
		if want == "folder" {
			hint = "name the folder that it is in"
		}
		d.wrong(path, hint, "%s: %q is not a %s", last(path), name, want)
	case want == "file" && !info.Mode().IsRegular(): // to open a pipe would block
		d.wrong(path, "name a file", "%s: %q is not a regular file", last(path), name)
	}
	return name
}

// neighbour returns a hint for a missing file, such as a file with a similar name beside it.
func neighbour(name string) string {
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		return "its folder is not there either, or may not be read"
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if n := text.Nearest(filepath.Base(name), names); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	return "put it there, or write where it is"
}

// program checks a command. A bare name is searched only at run time, when PATH may be different.
func (d *decoder) program(path string, argv []string) {
	switch name := argv[0]; {
	case name == "":
		d.wrong(path, "the first is the program", "%s begins with an empty word", last(path))
	case strings.ContainsRune(name, '/'):
		argv[0] = d.path(path, name, "file")
		if info, err := os.Stat(argv[0]); d.exist && err == nil && !info.IsDir() && !executable(info) {
			d.wrong(path, "chmod +x "+argv[0], "%s: %q is not executable", last(path), argv[0])
		}
	case strings.ContainsAny(name, " \t") && len(argv) == 1:
		d.wrong(path, "each word is a string of its own; there is no shell", "%s: %q is one word", last(path), name)
	}
}

// suggest says which name was probably meant, or lists the valid ones.
func suggest(name string, names []string) string {
	if n := text.Nearest(name, names); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	if len(names) == 0 {
		return ""
	}
	return "it is one of " + strings.Join(names, ", ")
}
