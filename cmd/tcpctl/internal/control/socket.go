package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// ErrTaken says that another instance answers on the socket.
var ErrTaken = errors.New("control: another instance answers there")

// maxPath is what every system takes.
const maxPath = 100

// DefaultPath is where an instance of this user listens: as root
// /run/tcpctl/tcpctl.sock, else $XDG_RUNTIME_DIR/tcpctl.sock, else a folder of
// the user's own under the temporary one.
func DefaultPath() string {
	if os.Geteuid() == 0 {
		return "/run/tcpctl/tcpctl.sock"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "tcpctl.sock")
	}
	return filepath.Join(os.TempDir(), "tcpctl-"+strconv.Itoa(os.Geteuid()), "tcpctl.sock")
}

// OwnPath is what an instance uses when the default is taken.
func OwnPath() string {
	return filepath.Join(filepath.Dir(DefaultPath()), "tcpctl-"+strconv.Itoa(os.Getpid())+".sock")
}

// Others are the sockets beside the default one.
func Others() []string {
	all, _ := filepath.Glob(filepath.Join(filepath.Dir(DefaultPath()), "tcpctl-*.sock"))
	return all
}

// socket knows the file of a listening Unix socket.
type socket struct {
	path string
	o    Options
	mu   sync.Mutex
	file os.FileInfo // nil: it is not ours
}

func openSocket(path string, o Options) (*socket, net.Listener, error) {
	s := &socket{path: path, o: o}
	if o.Socket == nil {
		ln, err := s.open()
		return s, ln, err
	}
	defer o.Socket.Close()
	ln, err := net.FileListener(o.Socket)
	if err == nil {
		if err = s.share(path); err == nil {
			err = s.ours()
		}
		if err != nil {
			ln.Close()
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("control: %w", err)
	}
	return s, ln, nil
}

// open makes the socket, where no process listens.
func (s *socket) open() (net.Listener, error) {
	if len(s.path) > maxPath { // the system would only say "invalid argument"
		return nil, fmt.Errorf("control: a socket's path has at most %d bytes, this one %d; give a shorter one with --socket", maxPath, len(s.path))
	}
	if err := ownFolder(filepath.Dir(s.path)); err != nil {
		return nil, err
	}
	err := relay.ClearSocket(s.path)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s", ErrTaken, s.path)
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w; give another place with --socket", err)
	}
	ln, err := listenPrivate(s.path)
	if err != nil {
		return nil, fmt.Errorf("control: %w; give another place with --socket", err)
	}
	// The file is removed where it is still this socket's, and not by Close:
	// another process may have replaced it.
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err = s.share(s.path); err == nil {
		err = s.ours()
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("control: %w", err)
	}
	return ln, nil
}

// ours notes which file it is.
func (s *socket) ours() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file, err = os.Lstat(s.path)
	return err
}

// ownFolder makes the folder of a default socket. One that others could
// write to, under the temporary folder, is refused.
func ownFolder(dir string) error {
	if dir == filepath.Dir(DefaultPath()) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("control: %w; give another place with --socket", err)
		}
		if !folderIsOurs(dir) {
			return fmt.Errorf("control: %s belongs to another user, or others can write to it; give another place with --socket", dir)
		}
	}
	return nil
}

// share lets others than the user have the socket, where that was asked for.
func (s *socket) share(path string) error {
	if s.o.Group != "" {
		g, err := user.LookupGroup(s.o.Group)
		if err != nil {
			return err
		}
		id, err := strconv.Atoi(g.Gid)
		if err != nil {
			return err
		}
		if err := os.Chown(path, -1, id); err != nil {
			return err
		}
	}
	if s.o.Mode != 0 {
		return os.Chmod(path, s.o.Mode)
	}
	return nil
}

// there says whether the file is still the one that we listen on.
func (s *socket) there() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := os.Lstat(s.path)
	return err == nil && s.file != nil && os.SameFile(now, s.file)
}

func (s *socket) remove() {
	if s.there() {
		os.Remove(s.path)
	}
}

// release leaves the file to another process.
func (s *socket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = nil
}
