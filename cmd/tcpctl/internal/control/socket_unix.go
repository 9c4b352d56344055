//go:build unix

package control

import (
	"net"
	"sync"
	"syscall"
)

// umask is the process's, so one at a time.
var umask sync.Mutex

// listenPrivate listens on a socket of mode 0600 from its first moment on.
func listenPrivate(path string) (net.Listener, error) {
	umask.Lock()
	defer umask.Unlock()
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.Listen("unix", path)
}
