package themes

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

//go:embed *.toml
var embedded embed.FS

// maxFileSize bounds a theme's file, in bytes, far above any valid one.
const maxFileSize = 64 << 10

// maxParents bounds a chain of inherits, and so ends a cycle.
const maxParents = 8

// Load loads a theme by its name, from the user's folder if it is there (userDir may be
// "" or missing), else from the embedded ones, and resolves what it inherits. "" is the
// name "default". An error names the file and line, and the most similar name.
func Load(name, userDir string) (*Theme, error) {
	name = cmp.Or(name, "default")
	f, err := readTheme(name, userDir)
	if err != nil {
		return nil, err
	}
	return f.build(userDir)
}

// An Entry is a theme in a list.
type Entry struct {
	Name  string
	About string
	File  string // of the user, or "" for an embedded theme
	Err   error  // why the user's file cannot be loaded
}

// List returns all themes: default first, the others by name. A user's file replaces the
// embedded theme of its name.
func List(userDir string) []Entry {
	names := map[string]bool{}
	add := func(files []string) {
		for _, f := range files {
			names[strings.TrimSuffix(filepath.Base(f), ".toml")] = true
		}
	}
	own, _ := fs.Glob(embedded, "*.toml")
	add(own)
	if userDir != "" {
		users, _ := filepath.Glob(filepath.Join(userDir, "*.toml"))
		add(users)
	}
	var all []Entry
	for name := range names {
		info := Entry{Name: name}
		t, err := Load(name, userDir)
		if err == nil {
			info.About = t.About
		}
		info.Err = err
		if path := filepath.Join(userDir, name+".toml"); userDir != "" && exists(path) {
			info.File = path
		}
		all = append(all, info)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i].Name, all[j].Name
		if (a == "default") != (b == "default") {
			return a == "default"
		}
		return a < b
	})
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readTheme reads and parses the file of a theme, without its parents.
func readTheme(name, userDir string) (*file, error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("themes: %q is not a theme's name", name)
	}
	if userDir != "" {
		path := filepath.Join(userDir, name+".toml")
		text, err := readFile(path)
		if err == nil {
			return parse(name, path, text)
		}
		// A folder without permission has no themes: a service that sudo or
		// systemd has started may have the HOME of another user.
		if _, seen := os.Stat(userDir); !errors.Is(err, fs.ErrNotExist) && !errors.Is(seen, fs.ErrPermission) {
			return nil, fmt.Errorf("themes: %w", err)
		}
	}
	text, err := embedded.ReadFile(name + ".toml")
	if err != nil {
		return nil, fmt.Errorf("themes: there is no theme %q%s", name, hint(name, Names(userDir)))
	}
	f, err := parse(name, name+".toml", string(text))
	if err == nil {
		f.embedded = true
	}
	return f, err
}

// Names returns the names of all themes, sorted, without reading their files.
func Names(userDir string) []string {
	files, _ := fs.Glob(embedded, "*.toml")
	if userDir != "" {
		users, _ := filepath.Glob(filepath.Join(userDir, "*.toml"))
		files = append(files, users...)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".toml")
	}
	slices.Sort(files)
	return slices.Compact(files)
}

func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() && !info.Mode().IsRegular() { // to open a pipe would block
		return "", fmt.Errorf("%s: it is not a regular file; name a file", path)
	}
	if info.Size() > maxFileSize {
		return "", fmt.Errorf("%s: it is larger than %d KiB; a theme is smaller", path, maxFileSize>>10)
	}
	text, err := os.ReadFile(path)
	return string(text), err
}
