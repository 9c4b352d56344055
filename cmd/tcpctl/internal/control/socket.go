package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

// ErrTaken says that another instance answers on the socket.
var ErrTaken = errors.New("control: another instance answers there")

// maxPath is the length of a path that every system accepts.
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

// listen opens the socket at path, or adopts the predecessor's.
func listen(path string, o Options) (*relay.Listener, error) {
	sock := relay.Sock{Mode: o.Mode, Group: o.Group}
	if o.Socket == nil {
		return open(path, sock)
	}
	defer o.Socket.Close()
	ln, err := relay.Adopt(o.Socket, "unix:"+path, sock)
	if err == nil {
		if err = ln.SetAccess(); err != nil {
			ln.CloseKeepFile()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return ln, nil
}

// open creates the socket unless a process listens there.
func open(path string, sock relay.Sock) (*relay.Listener, error) {
	if len(path) > maxPath { // the system would only say "invalid argument"
		return nil, fmt.Errorf("control: a socket's path has at most %d bytes, this one %d; give a shorter one with --socket", maxPath, len(path))
	}
	if err := ownFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	ln, err := relay.Listen("unix:"+path, sock)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s", ErrTaken, path)
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w; give another place with --socket", err)
	}
	return ln, nil
}

// ownFolder creates the folder of a default socket. It refuses an existing one, in the temporary
// folder, that others could write to.
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
