//go:build unix

package config

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// mayWrite reports whether this user can create files in a folder.
func mayWrite(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }
