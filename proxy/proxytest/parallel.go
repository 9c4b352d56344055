package proxytest

import (
	"flag"
	"runtime/debug"
	"slices"
	"strconv"
)

// Parallel has n tests of a package run at a time unless -parallel says otherwise, for tests that wait and need no
// processor for it. It is called in TestMain. With the race detector there are half as many: all that they do takes
// several times as much of a processor then.
func Parallel(n int) {
	info, _ := debug.ReadBuildInfo()
	if info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		n /= 2
	}
	flag.Set("test.parallel", strconv.Itoa(n))
}
