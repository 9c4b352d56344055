package health

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// loopOf runs a loop until the test ends, and counts its checks.
func loopOf(t *testing.T, interval func() (time.Duration, bool)) (l *Loop, checks *atomic.Int32) {
	checks = new(atomic.Int32)
	l = NewLoop(interval, func(context.Context) { checks.Add(1) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return l, checks
}

// TestLoopChecksAtItsInterval: at once, and then at least as often as configured, and
// at most a tenth more often.
func TestLoopChecksAtItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, checks := loopOf(t, func() (time.Duration, bool) { return time.Second, true })
		synctest.Wait()
		if checks.Load() != 1 {
			t.Errorf("%d checks at the beginning", checks.Load())
		}
		time.Sleep(100*time.Second + time.Millisecond)
		synctest.Wait()
		if checks.Load() < 101 || checks.Load() > 112 {
			t.Errorf("%d checks in 100 s at one a second", checks.Load())
		}
	})
}

// TestLoopTakesABurstOfRequestsForOne, and does not wait for the interval.
func TestLoopTakesABurstOfRequestsForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, checks := loopOf(t, func() (time.Duration, bool) { return time.Hour, true })
		synctest.Wait()
		for range 10 {
			l.Request()
		}
		time.Sleep(Urgent - time.Millisecond)
		synctest.Wait()
		if checks.Load() != 1 {
			t.Errorf("%d checks before the request was due", checks.Load())
		}
		time.Sleep(10 * Urgent)
		synctest.Wait()
		// A request during the wait for the first may cause a second check.
		if checks.Load() < 2 || checks.Load() > 3 {
			t.Errorf("%d checks after ten requests", checks.Load())
		}
	})
}

// TestLoopIsQuietWhileNoCheckIsNeeded: not even a Request causes one, but the loop then
// asks again whether one is needed.
func TestLoopIsQuietWhileNoCheckIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		needed := false
		l, checks := loopOf(t, func() (time.Duration, bool) { return time.Second, needed })
		time.Sleep(time.Hour)
		l.Request()
		time.Sleep(time.Hour)
		synctest.Wait()
		if checks.Load() != 0 {
			t.Errorf("%d checks while none is needed", checks.Load())
		}
		needed = true
		time.Sleep(time.Hour)
		synctest.Wait()
		if checks.Load() != 0 {
			t.Errorf("%d checks before the loop could know", checks.Load())
		}
		l.Request()
		time.Sleep(Urgent)
		synctest.Wait()
		if checks.Load() != 1 {
			t.Errorf("%d checks after the request", checks.Load())
		}
	})
}

// TestLoopEndsWithItsContext, even in the middle of a check.
func TestLoopEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, urgent := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			l := NewLoop(func() (time.Duration, bool) { return time.Hour, !urgent }, func(ctx context.Context) { <-ctx.Done() })
			go func() {
				defer close(ended)
				l.Run(ctx)
			}()
			synctest.Wait()
			if urgent {
				l.Request()
				synctest.Wait()
			}
			cancel()
			<-ended
		}
	})
}

func TestHistoryKeepsTheNewest(t *testing.T) {
	var h History
	if !h.Empty() || h.Marks() != "" {
		t.Errorf("a new one shows %q", h.Marks())
	}
	for n := range historyKept + 2 {
		h.Add(Result{OK: n >= historyKept}, time.Unix(int64(n), 0))
	}
	marks := h.Marks()
	if len(marks) != historyKept || marks[0] != '!' || marks[historyKept-3:] != "!++" || !h.Last.OK || h.At.Unix() != historyKept+1 {
		t.Errorf("%q, the last %+v at %v", marks, h.Last, h.At)
	}
}
