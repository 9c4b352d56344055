//go:build unix

package control

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// believable reports whether the server of a socket can be trusted. Server, socket file and folder
// must belong to this user or root, or all to one other user, to whom root or this user has given
// the folder, as a service manager does. Where others can write, any user could have made the
// folder and answer there.
func believable(path string, server int) bool {
	ours := func(uid int) bool { return uid == 0 || uid == os.Geteuid() }
	if strings.HasPrefix(path, "@") { // an abstract socket has no file
		return ours(server)
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	if path, err = filepath.Abs(path); err != nil {
		return false
	}
	dir := filepath.Dir(path)
	file, _ := owner(path)
	folder, private := owner(dir)
	if ours(server) && ours(file) && ours(folder) {
		return true
	}
	given := private && (ours(file) || file == folder) && (ours(server) || server == folder)
	for given && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		uid, private := owner(dir)
		given = private && ours(uid)
	}
	return given
}

// owner returns the user that owns a file or folder, -1 if unknown, and whether no other user can
// write to it.
func owner(path string) (uid int, private bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return -1, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, false
	}
	return int(st.Uid), info.Mode().Perm()&0o022 == 0
}

func folderIsOurs(dir string) bool {
	uid, private := owner(dir)
	return private && uid == os.Geteuid()
}
