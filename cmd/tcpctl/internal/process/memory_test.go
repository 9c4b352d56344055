package process

import (
	"testing"
	"testing/fstest"
)

func TestTheMemoryLimitIsTheSmallestOnTheWayUp(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"no control groups": {nil, 0},
		"version 2, a parent's is smaller": {map[string]string{
			"proc/self/cgroup":                                     "0::/system.slice/tcpctl.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                "500000000\n",
			"sys/fs/cgroup/system.slice/tcpctl.service/memory.max": "900000000\n",
		}, 500000000},
		"version 2, in a container": {map[string]string{
			"proc/self/cgroup":         "0::/../../host/path\n",
			"sys/fs/cgroup/memory.max": "268435456\n",
		}, 268435456},
		"version 2, no limit": {map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "max\n",
		}, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup": "7:cpu,cpuacct:/x\n5:memory:/x\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "134217728\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
		}, 134217728},
		"version 1, no limit": {map[string]string{
			"proc/self/cgroup":                           "5:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memoryLimit(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
