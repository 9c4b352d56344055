//go:build linux || darwin || freebsd

package statedir

import "golang.org/x/sys/unix"

// Free is how many bytes of the disk of a folder are free for this user, of how many.
func Free(dir string) (free, all uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), uint64(st.Blocks) * uint64(st.Bsize), nil
}
