package lock

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCancelAfterGrantGivesTheSlotBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(1)
		first, _ := s.Acquire(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			p, err := s.Acquire(ctx)
			if p != nil {
				p.Release()
			}
			done <- err
		}()
		synctest.Wait()
		// Both happen before the waiter runs again.
		first.Release()
		cancel()
		<-done
		if s.InUse() != 0 {
			t.Errorf("%d slots in use: one was lost", s.InUse())
		}
		if _, ok := s.TryAcquire(); !ok {
			t.Error("the slot cannot be had")
		}
	})
}

func TestAcquireStopsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := s.Acquire(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if len(s.Waiters()) != 0 {
			t.Error("it still stands in line")
		}
	})
}

func TestTryAcquireNeverPassesTheLine(t *testing.T) {
	s := NewSemaphore(1)
	p, ok := s.TryAcquire()
	if !ok {
		t.Fatal("a free slot was refused")
	}
	if _, ok := s.TryAcquire(); ok {
		t.Fatal("one slot was given twice")
	}
	p.Release()
}

func TestManyGoroutinesNeverExceedTheSlots(t *testing.T) {
	s := NewSemaphore(3)
	var inside, most atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 100 {
				p, err := s.Acquire(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				inside.Add(-1)
				p.Release()
			}
		})
	}
	wg.Wait()
	if most.Load() > 3 || s.InUse() != 0 {
		t.Errorf("up to %d inside, %d in use at the end", most.Load(), s.InUse())
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	s := NewSemaphore(1)
	b.ReportAllocs()
	for b.Loop() {
		p, _ := s.Acquire(context.Background())
		p.Release()
	}
}

func BenchmarkJoinRelease(b *testing.B) {
	q := NewQueue(&slots{size: 1}, 0)
	w := &Waiter{}
	b.ReportAllocs()
	for b.Loop() {
		q.Join(w)
		w.Permit().Release()
	}
}
