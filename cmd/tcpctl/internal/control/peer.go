package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"strconv"
)

// peerUID returns the user at the other end of a Unix socket, who connected or listened.
func peerUID(c *net.UnixConn) (uid int, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if e := rc.Control(func(fd uintptr) { uid, err = peerCred(int(fd)) }); e != nil {
		return 0, e
	}
	return uid, err
}

// peerName returns the user at the other end of a Unix socket; "" if unknown.
func peerName(c net.Conn) string {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ""
	}
	uid, err := peerUID(u)
	if err != nil {
		return ""
	}
	return UserName(uid)
}

// UserName is the name of a user; "uid N" where the system knows none.
func UserName(uid int) string {
	id := strconv.Itoa(uid)
	if id == "-1" { // a system without such ids
		if who, err := user.Current(); err == nil {
			return who.Username
		}
		return ""
	}
	if who, err := user.LookupId(id); err == nil {
		return who.Username
	}
	return "uid " + id
}

// errNotTrusted means that another user may answer on a socket.
var errNotTrusted = errors.New("control: not trusted, so nothing was sent")

// dialTrusted connects to the instance on a socket if it can be trusted (rule 19a): it receives
// what is typed, and tells a window when to run its command.
func dialTrusted(ctx context.Context, path string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", path) // which waits for nothing
	if err != nil {
		return nil, err
	}
	uid, err := peerUID(c.(*net.UnixConn))
	if err == nil && !believable(path, uid) {
		err = fmt.Errorf("%w: %s is served by user %s, or lies in a folder that is neither yours nor root's; run tcpctl as the user that runs the instance",
			errNotTrusted, path, UserName(uid))
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
