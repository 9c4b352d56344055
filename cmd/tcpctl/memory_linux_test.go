package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/process"
)

// memoryGroup makes nested control groups with these memory limits; 0 is none. It returns the file
// with the processes of the innermost group.
func memoryGroup(t *testing.T, limits ...int) string {
	t.Helper()
	dir, file := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if _, err := os.Stat("/sys/fs/cgroup/memory"); err != nil {
		dir, file = "/sys/fs/cgroup", "memory.max"
	}
	for _, limit := range limits {
		if file == "memory.max" {
			os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+memory"), 0)
		}
		made, err := os.MkdirTemp(dir, "tcpctl-test-")
		if err != nil {
			t.Skipf("no control group can be made here: %v", err)
		}
		dir = made
		t.Cleanup(func() { // it is busy until the kernel has removed its last process
			for began := time.Now(); os.Remove(made) != nil && time.Since(began) < patience; time.Sleep(time.Millisecond) {
			}
		})
		if limit == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(limit)), 0); err != nil {
			t.Skipf("no control group can be made here: %v", err)
		}
	}
	return filepath.Join(dir, "cgroup.procs")
}

// TestTheMemoryLimitIsTheSmallestOnTheWayUp: Go's memory limit is nine tenths of the smallest limit
// of the control groups, unless GOMEMLIMIT is set.
func TestTheMemoryLimitIsTheSmallestOnTheWayUp(t *testing.T) {
	const m = 1 << 20
	for name, c := range map[string]struct {
		groups []int
		env    string
		want   int64
	}{
		"its own":          {[]int{600 * m}, "", 540 * m},
		"a parent's":       {[]int{600 * m, 0, 900 * m}, "", 540 * m},
		"GOMEMLIMIT's":     {[]int{600 * m}, "700MiB", 700 * m},
		"none of its own":  {[]int{600 * m, 0}, "", 540 * m},
		"an inner smaller": {[]int{900 * m, 600 * m}, "", 540 * m},
	} {
		t.Run(name, func(t *testing.T) {
			procs := memoryGroup(t, c.groups...)
			if c.env != "" {
				t.Setenv("GOMEMLIMIT", c.env)
			}
			in := runInstance(t, []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, procs},
				"proxy", "--no-ui", "--listen", "127.0.0.1:0", "--backend", "127.0.0.1:1", "--check", "none")
			var text bytes.Buffer
			if err := in.Debug(context.Background(), "process", nil, &text); err != nil {
				t.Fatal(err)
			}
			var p process.Info
			if err := json.Unmarshal(text.Bytes(), &p); err != nil {
				t.Fatal(err)
			}
			if got := p.Memory.Limit; got < c.want-4096 || got > c.want {
				t.Errorf("the limit is %d, not %d; the control groups say %v", got, c.want, p.Cgroup)
			}
		})
	}
}
