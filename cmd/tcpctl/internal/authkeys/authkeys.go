// Package authkeys reads the keys that may open a console over SSH, from a file in
// the format of OpenSSH's authorized_keys.
package authkeys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Key is what one key may do, and in whose name.
type Key struct {
	By       string // its comment, or else its fingerprint: the operator in events
	ReadOnly bool
}

// Keys are those of a file. The zero value has none.
type Keys struct{ all map[string]Key }

// Find is what a key may do; false: it is not among them.
func (k Keys) Find(key ssh.PublicKey) (Key, bool) {
	found, ok := k.all[string(key.Marshal())]
	return found, ok
}

// Len is how many keys there are.
func (k Keys) Len() int { return len(k.all) }

// maxFile bounds a file, in bytes.
const maxFile = 4 << 20

// accessVariable is the variable in the option environment="…" that makes a key read-only.
const accessVariable = "TCPCTL_ACCESS"

// harmless are options that forbid what a console does not offer anyway.
var harmless = map[string]bool{"restrict": true, "pty": true, "no-port-forwarding": true, "no-agent-forwarding": true, "no-x11-forwarding": true, "no-user-rc": true}

// Read reads a file. One with any line that is wrong is refused as a whole, and so
// is one that others may write: who writes it can stop the instance.
func Read(path string) (Keys, error) {
	wrong := func(line int, hint, format string, args ...any) (Keys, error) {
		return Keys{}, &fileerror.Error{File: path, Line: line, Text: fmt.Sprintf(format, args...), Hint: hint}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Keys{}, &fileerror.Error{File: path, Text: "there is no such file", Hint: "make it from public keys, one a line: cat ~/.ssh/id_ed25519.pub >> FILE", Err: err}
	case err == nil && info.Mode().IsRegular() && runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		return wrong(0, "chmod go-w "+path, "others than its owner may write it (mode %04o)", info.Mode().Perm())
	}
	content, err := fileerror.Read(path, maxFile)
	if err != nil {
		return Keys{}, err
	}
	keys := Keys{map[string]Key{}}
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return wrong(n, "a line is: [OPTIONS] ssh-ed25519 AAAA… COMMENT", "it is no public key")
		}
		one := Key{By: text.Safe(strings.TrimSpace(comment))}
		if one.By == "" {
			one.By = ssh.FingerprintSHA256(key)
		}
		for _, option := range options {
			if why := one.take(option); why != "" {
				return wrong(n, `to make a key read-only, write environment="`+accessVariable+`=read"`, "%s", why)
			}
		}
		if before, twice := keys.all[string(key.Marshal())]; twice {
			return wrong(n, "leave one of the lines out", "the key is already listed, as %s", before.By)
		}
		keys.all[string(key.Marshal())] = one
	}
	if keys.Len() == 0 {
		return wrong(0, "add a public key: cat ~/.ssh/id_ed25519.pub >> "+path, "it has no key: no client could connect")
	}
	return keys, nil
}

// take applies an option, or says why it cannot: an unknown one may be a restriction, which must
// not be ignored.
func (k *Key) take(option string) (why string) {
	name, value, _ := strings.Cut(option, "=")
	name = strings.ToLower(name)
	if harmless[name] {
		return ""
	}
	if name != "environment" {
		return fmt.Sprintf("option %q is not supported here", name)
	}
	switch value = strings.Trim(value, `"`); value {
	case accessVariable + "=read":
		k.ReadOnly = true
	case accessVariable + "=write":
	default:
		return fmt.Sprintf("environment=%q is not known", value)
	}
	return ""
}
