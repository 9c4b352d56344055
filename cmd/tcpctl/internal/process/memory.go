package process

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
)

// LimitMemory gives the garbage collector the container's memory limit, so
// that it works harder near the limit instead of the process being killed at
// it: a surge of sessions may double the heap before a collection is due by
// itself. A tenth is left for memory that the collector does not manage:
// stacks of threads, and the kernel's socket buffers, which count too. Where
// GOMEMLIMIT is set, it wins.
//
// The pace of collections is left at Go's own (GOGC=100): at the full rate of
// new sessions they take 1 to 2 % of the CPU, and a slower pace would only
// make each idle session dearer.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := memoryLimit(os.DirFS("/")); limit > 0 {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// memoryLimit is the smallest memory limit of the control groups that the
// process is in, in bytes; 0 where there is none, and on systems without
// control groups.
func memoryLimit(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	for _, s := range cgroup(root) {
		if name := path.Base(s.File); name != "memory.max" && name != "memory.limit_in_bytes" {
			continue
		}
		if n, err := strconv.ParseInt(s.Value, 10, 64); err == nil && n > 0 {
			least = min(least, n)
		}
	}
	if least > 1<<50 {
		return 0 // version 1 writes a huge number for no limit
	}
	return least
}
