package process

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestReadDescribesThisProcess(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "123MiB")
	t.Setenv("TCPCTL_PASSWORD", "hunter2")
	i := Read("1.2.3")
	if i.PID != os.Getpid() || i.Version != "1.2.3" || i.Go != runtime.Version() || i.Goroutines < 1 || i.Memory.Heap == 0 {
		t.Errorf("%+v", i)
	}
	if i.Runtime["GOMEMLIMIT"] != "123MiB" {
		t.Errorf("the runtime's variables are %v", i.Runtime)
	}
	if runtime.GOOS == "linux" && (len(i.Limits) == 0 || i.Files < 3) {
		t.Errorf("limits %v, open files %d", i.Limits, i.Files)
	}
	text, err := json.Marshal(i)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "TCPCTL_PASSWORD", os.Args[0]} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%q is in it: %s", secret, text)
		}
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("a list or an object is null: %s", text)
	}
}

func TestCgroupReadsFromTheInnermostGroupOutward(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []Setting
	}{
		"none": {nil, []Setting{}},
		"version 2": {map[string]string{
			"proc/self/cgroup":                             "0::/system.slice/t.service\n",
			"sys/fs/cgroup/system.slice/memory.max":        "500\n",
			"sys/fs/cgroup/system.slice/t.service/cpu.max": "max 100000\n",
		}, []Setting{{"/sys/fs/cgroup/system.slice/t.service/cpu.max", "max 100000"}, {"/sys/fs/cgroup/system.slice/memory.max", "500"}}},
		"a container": {map[string]string{
			"proc/self/cgroup":         "0::/../../host/path\n",
			"sys/fs/cgroup/memory.max": "268435456\n",
		}, []Setting{{"/sys/fs/cgroup/memory.max", "268435456"}}},
		"version 1": {map[string]string{
			"proc/self/cgroup": "7:cpu,cpuacct:/x\n5:memory:/x\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "134217728\n",
			"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us":         "-1\n",
		}, []Setting{{"/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1"}, {"/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "134217728"}}},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if diff := cmp.Diff(c.want, cgroup(root)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
