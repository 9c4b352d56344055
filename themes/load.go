package themes

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed *.toml
var shipped embed.FS

// maxFile bounds a theme's file: none that is right comes near it.
const maxFile = 64 << 10

// maxParents bounds a chain of inherits, and so ends a circle.
const maxParents = 8

// Load finds a theme by its name, first in the user's folder (which may be ""
// or missing), then among those embedded, and puts it together with its
// parents. An empty name is "default".
func Load(name, userDir string) (*Theme, error) {
	if name == "" {
		name = "default"
	}
	f, err := find(name, userDir)
	if err != nil {
		return nil, err
	}
	return f.build(userDir)
}

// Entry is a theme as a list shows it.
type Entry struct {
	Name  string
	About string
	File  string // the user's file, or "" for an embedded one
	Err   error  // why the user's file cannot be read
}

// List names all themes by name: default first, then the others. A user's
// file hides the embedded theme of its name.
func List(userDir string) []Entry {
	names := map[string]bool{}
	add := func(files []string) {
		for _, f := range files {
			names[strings.TrimSuffix(filepath.Base(f), ".toml")] = true
		}
	}
	own, _ := fs.Glob(shipped, "*.toml")
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
	slices.SortFunc(all, func(a, b Entry) int {
		if (a.Name == "default") != (b.Name == "default") {
			if a.Name == "default" {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// find reads and parses the file of a theme, without its parents.
func find(name, userDir string) (*file, error) {
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("themes: %q is not a theme's name", name)
	}
	if userDir != "" {
		path := filepath.Join(userDir, name+".toml")
		text, err := readFile(path)
		if err == nil {
			return parse(name, path, text)
		}
		// In a folder that is closed to this user there is none of its themes:
		// a service that sudo or systemd has started has another's HOME.
		if _, seen := os.Stat(userDir); !errors.Is(err, fs.ErrNotExist) && !errors.Is(seen, fs.ErrPermission) {
			return nil, fmt.Errorf("themes: %w", err)
		}
	}
	text, err := shipped.ReadFile(name + ".toml")
	if err != nil {
		return nil, fmt.Errorf("themes: there is no theme %q%s", name, hint(name, Names(userDir)))
	}
	f, err := parse(name, name+".toml", string(text))
	if err == nil {
		f.embedded = true
	}
	return f, err
}

// Names lists the themes that there are, without reading them.
func Names(userDir string) []string {
	files, _ := fs.Glob(shipped, "*.toml")
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
	if info.Size() > maxFile {
		return "", fmt.Errorf("%s: larger than %d KiB", path, maxFile>>10)
	}
	text, err := os.ReadFile(path)
	return string(text), err
}
