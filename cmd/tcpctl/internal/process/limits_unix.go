//go:build unix

package process

import (
	"strconv"
	"syscall"
)

// unlimited is RLIM_INFINITY, or less: on some systems it is the largest signed, on others the
// largest unsigned number.
const unlimited = 1<<63 - 1

func limits() []Limit {
	all := []Limit{}
	for _, l := range []struct {
		name     string
		resource int
	}{
		{"open files", syscall.RLIMIT_NOFILE}, {"address space (bytes)", syscall.RLIMIT_AS}, {"data (bytes)", syscall.RLIMIT_DATA},
		{"stack (bytes)", syscall.RLIMIT_STACK}, {"core file (bytes)", syscall.RLIMIT_CORE},
		{"file size (bytes)", syscall.RLIMIT_FSIZE}, {"cpu (seconds)", syscall.RLIMIT_CPU},
	} {
		var r syscall.Rlimit
		if syscall.Getrlimit(l.resource, &r) == nil {
			all = append(all, Limit{l.name, limitText(uint64(r.Cur)), limitText(uint64(r.Max))})
		}
	}
	return all
}

func limitText(n uint64) string {
	if n >= unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}
