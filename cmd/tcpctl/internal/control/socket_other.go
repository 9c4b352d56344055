//go:build !unix

package control

import "net"

// listenPrivate relies on the folder's rights: there is no umask here.
func listenPrivate(path string) (net.Listener, error) { return net.Listen("unix", path) }

func folderIsOurs(string) bool { return true }
