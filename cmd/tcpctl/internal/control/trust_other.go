//go:build !unix

package control

// believable: this system does not say which user serves a socket.
func believable(string, int) bool { return true }

func folderIsOurs(string) bool { return true }
