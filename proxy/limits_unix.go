//go:build unix

package proxy

import "golang.org/x/sys/unix"

// sessionBudget is how many sessions the process can hold: max when it is
// set, else what the descriptor limit allows with two for each session, and a
// part kept for the control socket, the checks and the pipes.
func sessionBudget(max int) int {
	if max > 0 {
		return max
	}
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 1 << 20
	}
	files := int(min(uint64(r.Cur), 1<<30))
	spare := min(files/3, 160)
	return (files - spare) / 2
}
