package proxytest

import (
	"context"
	"flag"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// SetUp has n tests of a package run at a time, or race with the race detector, with which all that they do takes
// several times as much of a processor. It is called in TestMain, for tests that wait; -parallel goes before it.
//
// Without the race detector, and where GOGC does not say otherwise, garbage is collected less often: tests make much and
// keep little, and collecting it would take a seventh of their processor time.
func SetUp(n, race int) {
	info, _ := debug.ReadBuildInfo()
	if info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		n = race
	} else if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	flag.Set("test.parallel", strconv.Itoa(n))
}

// Repeat has n goroutines call do over and over, until it is false, stop is called or the test ends. When stop returns
// none of them runs. Each rests between two calls: a few that do not would take a processor from the tests beside.
func Repeat(t testing.TB, n int, do func() (more bool)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for ctx.Err() == nil && do() {
				time.Sleep(time.Millisecond)
			}
		})
	}
	stop = func() { cancel(); all.Wait() }
	t.Cleanup(stop)
	return stop
}
