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

// SetUp sets how many tests of a package run at the same time, if the command line has no -parallel: n, or race with
// the race detector, which multiplies the processor time of a test. Call it in TestMain of a package whose tests mostly
// wait.
//
// Without the race detector it also makes garbage collection less frequent, unless GOGC is set: tests allocate much and
// keep little, and it would take a seventh of their processor time.
func SetUp(n, race int) {
	info, _ := debug.ReadBuildInfo()
	if info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		n = race
	} else if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	flag.Set("test.parallel", strconv.Itoa(n))
}

// Repeat starts n goroutines that call do repeatedly until it returns false, stop is called or the test ends. When stop
// returns, none of them runs any more. They pause between calls, so that they leave the processor to other tests.
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
