package control

import "golang.org/x/sys/unix"

// peerCred returns the user at the other end (SO_PEERCRED).
func peerCred(fd int) (uid int, err error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
