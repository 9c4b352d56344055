//go:build !unix

package control

// believable: this system does not tell who serves a socket.
func believable(string, int) bool { return true }
