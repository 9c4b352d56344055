package main

import (
	"bufio"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory tells the garbage collector of the container's limit, so that
// it works harder near it instead of being killed at it: a surge of sessions
// may double the heap before a collection is due by itself. A tenth is left
// for what is not the collector's: stacks of threads, and the kernel's socket
// buffers, which count too. GOMEMLIMIT wins.
//
// The pace of collections is left at Go's own (GOGC=100): at the full rate of
// new sessions they are 1 to 2 % of the cpu, and a slower pace would only make
// each idle session dearer.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := memoryLimit(os.DirFS("/")); limit > 0 {
		debug.SetMemoryLimit(limit / 10 * 9)
	}
}

// memoryLimit is the smallest limit of the control groups that the process is
// in; 0 when there is none, or no control groups, as on other systems.
func memoryLimit(root fs.FS) int64 {
	f, err := root.Open("proc/self/cgroup")
	if err != nil {
		return 0
	}
	defer f.Close()
	least := int64(math.MaxInt64)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// "0::/path" is version 2; "5:memory:/path" is version 1.
		field := strings.SplitN(lines.Text(), ":", 3)
		if len(field) != 3 {
			continue
		}
		switch {
		case field[0] == "0" && field[1] == "":
			least = min(least, leastUpward(root, "sys/fs/cgroup", field[2], "memory.max"))
		case strings.Contains(","+field[1]+",", ",memory,"):
			least = min(least, leastUpward(root, "sys/fs/cgroup/memory", field[2], "memory.limit_in_bytes"))
		}
	}
	if least > 1<<50 {
		return 0 // version 1 says so when there is no limit
	}
	return least
}

// leastUpward reads a group's limit and those of all that it is in. In a
// container the group's path may be the host's: then its own mount counts.
func leastUpward(root fs.FS, mount, group, file string) int64 {
	least := int64(math.MaxInt64)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		if text, err := fs.ReadFile(root, path.Join(mount, dir, file)); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
		}
		if dir == "/" {
			return least
		}
	}
}
