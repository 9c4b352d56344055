package control

import (
	"net"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

// peerName is the user at the other end of a Unix socket (SO_PEERCRED).
func peerName(c net.Conn) string {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ""
	}
	rc, err := u.SyscallConn()
	if err != nil {
		return ""
	}
	var cred *unix.Ucred
	rc.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || cred == nil {
		return ""
	}
	id := strconv.Itoa(int(cred.Uid))
	if who, err := user.LookupId(id); err == nil {
		return who.Username
	}
	return "uid " + id
}
