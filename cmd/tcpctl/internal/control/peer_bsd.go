//go:build darwin || freebsd

package control

import "golang.org/x/sys/unix"

// peerCred returns the user at the other end (LOCAL_PEERCRED).
func peerCred(fd int) (uid int, err error) {
	cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
