package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// socketFile identifies the file of a Unix socket as it was made: a file that has
// replaced it must not be removed. The zero value is no file.
type socketFile struct {
	path string
	info os.FileInfo
}

// fileOf returns the file at path; an abstract name has none.
func fileOf(path string) socketFile {
	if strings.HasPrefix(path, "@") {
		return socketFile{}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return socketFile{}
	}
	return socketFile{path, info}
}

// unchanged reports whether the file is still the original one.
func (f socketFile) unchanged() bool {
	if f.path == "" {
		return false
	}
	now, err := os.Lstat(f.path)
	return err == nil && os.SameFile(now, f.info)
}

func (f *socketFile) remove() {
	if f.unchanged() {
		os.Remove(f.path)
	}
	*f = socketFile{}
}

// setAccess sets the file's group before its mode, so that it is never open to more
// users than both allow.
func (f socketFile) setAccess(s Sock) error {
	if !f.unchanged() {
		return nil
	}
	if s.Group != "" {
		id, err := groupID(s.Group)
		if err != nil {
			return err
		}
		if err := os.Lchown(f.path, -1, id); err != nil {
			return err
		}
	}
	return os.Chmod(f.path, cmp.Or(s.Mode, 0o600))
}

func groupID(name string) (int, error) {
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// listenUnix makes the socket accessible to its owner only, and then to those that sock
// names.
func listenUnix(path string, sock Sock) (*Listener, error) {
	abstract := strings.HasPrefix(path, "@")
	if !abstract {
		if err := ClearSocket(path); err != nil {
			return nil, err
		}
	}
	lc := net.ListenConfig{Control: controlPrivate}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	l := NewListener(ln)
	if l, err = l.setUp(path, sock); err != nil || abstract {
		return l, err
	}
	l.file = fileOf(path)
	if err := l.file.setAccess(sock); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen unix %s: %w", path, err)
	}
	return l, nil
}

// ClearSocket removes the file of a Unix socket that no process listens on. A
// socket in use, or a file that is not a socket, stays and is an error.
func ClearSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is in the way and is not a socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return fmt.Errorf("listen unix %s: %w", path, syscall.EADDRINUSE)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return err
}
