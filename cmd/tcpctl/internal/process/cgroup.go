package process

import (
	"bufio"
	"io/fs"
	"path"
	"strings"
)

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
