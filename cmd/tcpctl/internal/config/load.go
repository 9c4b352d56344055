package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
)

// maxFile bounds a file, in bytes: enough for some thousand services.
const maxFile = 4 << 20

// Load reads a file. What is wrong in it comes back as Errors; that it cannot
// be read at all, as an Error with the system's in it.
func Load(path string) (*File, error) {
	text, err := read(path)
	if err != nil {
		bad := fileerror.Unreadable(path, err)
		if errors.Is(err, fs.ErrNotExist) {
			bad.Hint = "put it there, or name another with -c; tcpctl init prints one to begin with"
		}
		return nil, bad
	}
	return Parse(path, text)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// Parse reads the text of a file. Its name is for errors, and its folder is
// where relative paths start. The error is of type Errors.
func Parse(name string, text []byte) (*File, error) {
	return parse(name, text, true)
}

// parse parses a file. With exist, it refuses paths that do not exist.
func parse(name string, text []byte, exist bool) (*File, error) {
	fatal := func(at place, text, hint string) error {
		return Errors{{File: name, Line: at.line, Column: at.column, Text: text, Hint: hint}}
	}
	if len(text) > maxFile {
		return nil, fatal(place{}, fmt.Sprintf("it is larger than %d bytes", maxFile), "is it a configuration?")
	}
	lines := indexOf(string(text))
	if lines.deep != (place{}) {
		return nil, fatal(lines.deep, "tables and lists are nested too deep", "five levels are all that there is to say")
	}
	var raw map[string]any
	if _, err := toml.Decode(string(text), &raw); err != nil {
		if syntax, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, fatal(place{syntax.Position.Line, syntax.Position.Col}, tidy(syntax.Message), syntaxHint(syntax.Message, lines))
		}
		return nil, fatal(place{}, err.Error(), "")
	}
	f := New()
	f.name, f.lines, f.text = name, lines, text
	d := &decoder{report: report{name: name, lines: lines}, dir: filepath.Dir(name), exist: exist, file: f}
	d.table("", raw, reflect.ValueOf(f).Elem())
	f.check(&d.report)
	if len(d.found) > 0 {
		return nil, d.inOrder()
	}
	return f, nil
}

// tidy adapts the decoder's message to our style.
func tidy(s string) string {
	s = strings.TrimSuffix(strings.TrimSuffix(s, "."), " for int64")
	if strings.HasPrefix(s, "TOML") {
		return s
	}
	return strings.ToLower(s[:min(1, len(s))]) + s[min(1, len(s)):]
}

// syntaxHint recognizes typical mistakes of operators who are new to TOML.
func syntaxHint(message string, lines *index) string {
	switch {
	case strings.Contains(message, "already been defined"):
		if _, rest, ok := strings.Cut(message, "'"); ok {
			key, _, _ := strings.Cut(rest, "'")
			if p, known := lines.at[key]; known {
				return fmt.Sprintf("the first is in line %d", p.line)
			}
		}
	case strings.Contains(message, "is out of range"):
		return "no number here is as large"
	case strings.Contains(message, "expected value but found"), strings.Contains(message, "to end with a newline"):
		return `words and values with units stand in quotes: idle_timeout = "30s"`
	case strings.Contains(message, "strings cannot contain newlines"):
		return "a quote is missing at its end"
	case strings.Contains(message, "UTF-8"):
		return "save it as UTF-8"
	case strings.Contains(message, "control characters"):
		return "is it a text file?"
	}
	return "tcpctl init prints a file to compare with"
}

//go:embed init.toml
var initial []byte

// Init is the file that tcpctl init prints: it is valid as it is, and has
// every key, in comments with its default; a test fails when one has to be added.
func Init() []byte { return bytes.Clone(initial) }

// ErrNone is what Find says when there is no file: nothing is wrong, but for
// run there is nothing to do. It is wrapped with the places that were tried.
var ErrNone = errors.New("no configuration file")

// Find gives the file that is used when none is named: ./tcpctl.toml, the
// one in the user's config folder, /etc/tcpctl/tcpctl.toml.
func Find() (path string, err error) {
	user, _ := os.UserConfigDir()
	return find(os.Geteuid() == 0, user, "/etc")
}

// Standard reports whether Find tries a path, in whatever folder it is called.
func Standard(path string) bool {
	user, err := os.UserConfigDir()
	return err == nil && path == filepath.Join(user, "tcpctl", "tcpctl.toml") || path == "/etc/tcpctl/tcpctl.toml"
}

// As root, find never searches the working folder: it may be any user's.
func find(root bool, user, etc string) (string, error) {
	var tried []string
	if !root {
		tried = append(tried, "tcpctl.toml")
	}
	if user != "" {
		tried = append(tried, filepath.Join(user, "tcpctl", "tcpctl.toml"))
	}
	tried = append(tried, filepath.Join(etc, "tcpctl", "tcpctl.toml"))
	for _, path := range tried {
		// A file that exists but cannot be read counts as found: silently ignoring it would run
		// another configuration.
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w at %s", ErrNone, strings.Join(tried, ", "))
}
