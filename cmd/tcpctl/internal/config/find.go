package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

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
