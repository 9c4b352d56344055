// Package process describes and limits the process it runs in: for debugging
// (how it was built, what it uses, what the system lets it use) and fits its
// memory into the container.
package process

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Info describes a process. It has no arguments and no environment variables,
// which may hold secrets, except those of Go's runtime.
type Info struct {
	PID        int               `json:"pid"`
	Time       time.Time         `json:"time"` // when this was read
	Started    time.Time         `json:"started"`
	Version    string            `json:"version"`
	Go         string            `json:"go"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	Build      map[string]string `json:"build"`   // build settings, as in go version -m: "vcs.revision"
	Modules    []string          `json:"modules"` // modules, as "path version"
	CPUs       int               `json:"cpus"`
	MaxProcs   int               `json:"max_procs"`
	Goroutines int               `json:"goroutines"`
	Runtime    map[string]string `json:"runtime"` // environment variables that set the runtime, such as GOMEMLIMIT
	Memory     Memory            `json:"memory"`
	Files      int               `json:"open_files"` // open file descriptors; -1: not known on this system
	Limits     []Limit           `json:"limits"`     // resource limits of the process
	Cgroup     []Setting         `json:"cgroup"`     // settings of its control groups, innermost first
}

// Memory is the memory of Go's runtime, in bytes.
type Memory struct {
	Heap        uint64 `json:"heap"`     // heap objects, live and dead
	Stacks      uint64 `json:"stacks"`   // stacks of goroutines
	System      uint64 `json:"system"`   // memory obtained from the system
	Released    uint64 `json:"released"` // memory returned to the system
	NextGC      uint64 `json:"next_gc"`  // heap size at which the next collection starts
	Limit       int64  `json:"limit"`    // memory limit (GOMEMLIMIT)
	Collections uint32 `json:"collections"`
}

// Limit is one resource limit (setrlimit): a number, or "unlimited".
type Limit struct {
	Name string `json:"name"`
	Soft string `json:"soft"`
	Hard string `json:"hard"`
}

// Setting is a file of a control group and its value.
type Setting struct {
	File  string `json:"file"`
	Value string `json:"value"`
}

var started = time.Now()

// Read describes this process, which is of the given version.
func Read(version string) Info {
	i := Info{PID: os.Getpid(), Time: time.Now(), Started: started, Version: version,
		Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		Build: map[string]string{}, Modules: []string{}, Runtime: map[string]string{},
		CPUs: runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0), Goroutines: runtime.NumGoroutine(),
		Memory: memory(), Files: openFiles(), Limits: limits(), Cgroup: cgroup(os.DirFS("/"))}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			i.Build[s.Key] = s.Value
		}
		for _, m := range b.Deps {
			i.Modules = append(i.Modules, m.Path+" "+m.Version)
		}
	}
	for _, name := range []string{"GOMEMLIMIT", "GOGC", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK"} {
		if value, set := os.LookupEnv(name); set {
			i.Runtime[name] = value
		}
	}
	return i
}

func memory() Memory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{Heap: m.HeapAlloc, Stacks: m.StackInuse, System: m.Sys, Released: m.HeapReleased,
		NextGC: m.NextGC, Limit: debug.SetMemoryLimit(-1), Collections: m.NumGC}
}

// openFiles counts the open descriptors.
func openFiles() int {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if all, err := os.ReadDir(dir); err == nil {
			return len(all) - 1 // without that of the folder itself
		}
	}
	return -1
}

// cgroupFiles are the files with limits, by hierarchy: "" is version 2, where all controllers share
// one.
var cgroupFiles = map[string][]string{
	"":       {"memory.max", "memory.high", "memory.current", "cpu.max", "pids.max", "pids.current"},
	"memory": {"memory.limit_in_bytes", "memory.usage_in_bytes"},
	"cpu":    {"cpu.cfs_quota_us", "cpu.cfs_period_us"},
	"pids":   {"pids.max", "pids.current"},
}

// cgroup lists the settings of this process's control groups, from its own to the outermost; none
// on a system without control groups.
func cgroup(root fs.FS) []Setting {
	all := []Setting{}
	f, err := root.Open("proc/self/cgroup")
	if err != nil {
		return all
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// "0::/path" is version 2; "5:cpu,cpuacct:/path" is version 1.
		field := strings.SplitN(lines.Text(), ":", 3)
		if len(field) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(field[1], ",") {
			all = append(all, upward(root, path.Join("sys/fs/cgroup", controller), field[2], cgroupFiles[controller])...)
		}
	}
	return all
}

// upward reads files of a group and of its parents. In a container the path of the group may be the
// host's: then the mount itself is the group.
func upward(root fs.FS, mount, group string, files []string) (all []Setting) {
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		for _, file := range files {
			name := path.Join(mount, dir, file)
			if text, err := fs.ReadFile(root, name); err == nil {
				all = append(all, Setting{"/" + name, strings.TrimSpace(string(text))})
			}
		}
		if dir == "/" {
			return all
		}
	}
}
