package fleet

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
)

// identity is the file with a node's key, so that it is the same node after a restart. It is locked
// while the node lives: a second process with the same mesh, node name and listen address on this
// machine uses the next file.
type identity struct {
	path string
	file *os.File // nil: not locked
	key  ed25519.PrivateKey
}

// maxIdentities is the maximum number of key files for one mesh, node name and listen address.
const maxIdentities = 64

// takeIdentity locks the first free key file in dir, and creates it if need be. With a key, which
// the predecessor has handed over, it uses the file of that key, and lock may have to be called
// again later.
func takeIdentity(dir, mesh, node, listen string, key ed25519.PrivateKey, log *slog.Logger) (*identity, error) {
	sum := sha256.Sum256([]byte(mesh + "\x00" + node + "\x00" + listen))
	base := filepath.Join(dir, fileName(node)+"-"+hex.EncodeToString(sum[:6]))
	for n := 1; n <= maxIdentities; n++ {
		id := &identity{path: base + ".key"}
		if n > 1 {
			id.path = fmt.Sprintf("%s.%d.key", base, n)
		}
		if key != nil {
			if text, err := os.ReadFile(id.path); err == nil {
				if had, err := parseKey(text); err == nil && had.Equal(key) {
					id.key = key
					id.lock()
					return id, nil
				}
			}
			continue
		}
		switch locked, err := id.lock(); {
		case err != nil:
			return nil, err
		case !locked:
			continue
		}
		err := id.load(log)
		if err != nil {
			id.release()
			return nil, err
		}
		return id, nil
	}
	if key != nil {
		return &identity{key: key}, nil // the key was never written
	}
	return nil, fmt.Errorf("%s and %d more are in use", base+".key", maxIdentities-1)
}

// fileName returns a name with only characters that are harmless in file names.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), 32)]
}

// lock returns false if another process has the file.
func (id *identity) lock() (bool, error) {
	if id.path == "" || id.file != nil {
		return true, nil
	}
	f, err := statedir.OpenLocked(id.path)
	if errors.Is(err, statedir.ErrNoLocks) {
		err = nil // without locks: two processes there would be one node twice
	}
	id.file = f
	return f != nil, err
}

// release lets another process have the file.
func (id *identity) release() {
	if id.file != nil {
		id.file.Close()
		id.file = nil
	}
}

// load reads the key, or creates one if there is none. A file that is no key is set aside.
func (id *identity) load(log *slog.Logger) error {
	if info, err := id.file.Stat(); err == nil && info.Mode().Perm()&0o077 != 0 {
		if err := id.file.Chmod(0o600); err == nil {
			log.Warn(fmt.Sprintf("mesh: the node's key in %s could be read by others until now; remove it for a new one", id.path))
		}
	}
	text, err := io.ReadAll(io.LimitReader(id.file, 1<<16))
	if err != nil {
		return err
	}
	if len(text) > 0 {
		key, err := parseKey(text)
		if err == nil {
			id.key = key
			return nil
		}
		aside := strings.TrimSuffix(id.path, ".key") + ".damaged"
		if err := os.WriteFile(aside, text, 0o600); err != nil {
			return err
		}
		log.Warn(fmt.Sprintf("mesh: the node's key in %s cannot be read: %v; it is in %s now, and this node gets a new key: peers take it for a new node", id.path, err, aside))
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	id.key = key
	return id.write()
}

// write writes in place, since the lock is on this very file. Half a key would be set aside at the
// next start.
func (id *identity) write() error {
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := id.file.Truncate(0); err != nil {
		return err
	}
	if _, err := id.file.WriteAt(text, 0); err != nil {
		return err
	}
	return id.file.Sync()
}

func parseKey(text []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("it is not one PEM block")
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it is a %T, not an ed25519 key", any)
	}
	return key, nil
}
