//go:build unix

package mesh_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkIdleTwenty measures the CPU of an idle mesh of twenty nodes in one process, as a share of one core.
func BenchmarkIdleTwenty(b *testing.B) {
	nodes := many(b, 20, true)
	await(b, "190 connections", func() bool { return ends(b, nodes) == 2*190 })
	time.Sleep(2 * time.Second)
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	const span = 5 * time.Second
	for b.Loop() {
		time.Sleep(span)
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	cpu := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
	b.ReportMetric(100*cpu.Seconds()/(span.Seconds()*float64(b.N)), "%cpu")
	b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
}
