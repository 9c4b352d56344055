package proxytest

import (
	"flag"
	"runtime/debug"
	"slices"
	"strconv"
)

// Parallel has n tests of a package run at a time, or race with the race detector, with which all that they do takes
// several times as much of a processor. It is called in TestMain, for tests that wait; -parallel goes before it.
func Parallel(n, race int) {
	info, _ := debug.ReadBuildInfo()
	if info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		n = race
	}
	flag.Set("test.parallel", strconv.Itoa(n))
}
