//go:build unix

package proxy

import "golang.org/x/sys/unix"

// descriptorLimit is how many descriptors the process may have open.
func descriptorLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1 << 20
	}
	return int(min(uint64(r.Cur), 1<<30))
}
