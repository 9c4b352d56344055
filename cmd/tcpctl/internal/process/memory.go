package process

import "github.com/KimMachineGun/automemlimit/memlimit"

// LimitMemory gives the garbage collector the container's memory limit, so
// that it works harder near the limit instead of the process being killed at
// it: a surge of sessions may double the heap before a collection is due by
// itself. A tenth stays free for memory that the collector does not manage:
// stacks of threads, and the kernel's socket buffers, which count too. Where
// GOMEMLIMIT is set, it wins, and AUTOMEMLIMIT=off leaves the limit alone.
//
// The pace of collections stays Go's own (GOGC=100): at the full rate of
// new sessions they take 1 to 2 % of the CPU, and a slower pace would only
// make each idle session dearer.
func LimitMemory() {
	// Without readable control groups there is no limit to apply.
	memlimit.Set(memlimit.WithRatio(0.9), memlimit.WithProvider(memlimit.FromCgroup))
}
