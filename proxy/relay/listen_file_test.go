//go:build unix

package relay_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// TestOnlyOurOwnFileIsRemoved, by Close and by Drain: a file that has replaced it
// stays.
func TestOnlyOurOwnFileIsRemoved(t *testing.T) {
	for name, end := range map[string]func(*relay.Listener){
		"close": func(l *relay.Listener) { l.Close() },
		"drain": func(l *relay.Listener) { l.Drain() },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			for _, replaced := range []bool{false, true} {
				l, err := relay.Listen("unix:"+path, relay.Sock{})
				if err != nil {
					t.Fatal(err)
				}
				if replaced {
					os.Remove(path)
					other, err := net.Listen("unix", path)
					if err != nil {
						t.Fatal(err)
					}
					defer other.Close()
				}
				end(l)
				if _, err := os.Lstat(path); (err == nil) != replaced {
					t.Errorf("replaced %t: %v", replaced, err)
				}
			}
		})
	}
}

// TestAnAbstractNameHasNoFile, even if there is a file of that name.
func TestAnAbstractNameHasNoFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no abstract names here")
	}
	t.Chdir(t.TempDir())
	const name = "@tcpctl-test-file"
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := relay.Listen("unix:"+name, relay.Sock{Mode: 0o666})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.Close()
	if i, err := os.Lstat(name); err != nil || i.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", i, err)
	}
}

// TestModeAndGroup: only the owner has access until both are set, whatever the umask.
func TestModeAndGroup(t *testing.T) {
	for _, umask := range []int{0, 0o22, 0o77} {
		func() {
			defer syscall.Umask(syscall.Umask(umask))
			for want, sock := range map[fs.FileMode]relay.Sock{
				0o600: {},
				0o660: {Mode: 0o660, Group: strconv.Itoa(os.Getgid())},
				0o666: {Mode: 0o666},
			} {
				path := filepath.Join(t.TempDir(), "s")
				l, err := relay.Listen("unix:"+path, sock)
				if err != nil {
					t.Fatal(err)
				}
				if i, err := os.Lstat(path); err != nil || i.Mode().Perm() != want {
					t.Errorf("umask %o: %v, %v, want %o", umask, i.Mode(), err, want)
				}
				l.Close()
			}
		}()
	}
	path := filepath.Join(t.TempDir(), "s")
	if _, err := relay.Listen("unix:"+path, relay.Sock{Group: "no such group"}); err == nil {
		t.Error("an unknown group was accepted")
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("a socket that could not be shared was left behind")
	}
}
