//go:build !unix

package control

// believable returns true: the system does not report which user serves a socket.
func believable(string, int) bool { return true }

func folderIsOurs(string) bool { return true }
