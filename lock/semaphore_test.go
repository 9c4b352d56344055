package lock

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/semaphore"
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
			p.Release()
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
			t.Error("the slot cannot be acquired")
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
			t.Error("it is still in the queue")
		}
	})
}

func TestTryAcquireNeverPassesTheQueue(t *testing.T) {
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

// The gate is not asked about the waiters behind one that waits: their reason is that
// of the head, whatever the gate returned for them before.
func TestReasonBehindTheHead(t *testing.T) {
	gate := &testGate{slots: 1}
	q := NewQueue(gate, 0)
	var log []int
	first, second, third := newTestWaiter(1, &log), newTestWaiter(2, &log), newTestWaiter(3, &log)
	for _, g := range []*testWaiter{first, second, third} {
		q.Join(&g.Waiter)
	}
	reasons := func() (all []Reason) {
		q.View(func() {
			for w := range q.Waiters() {
				all = append(all, w.Reason())
			}
		})
		return all
	}
	if got := reasons(); !slices.Equal(got, []Reason{"slots", "slots"}) {
		t.Fatalf("behind a full lock: %v", got)
	}
	q.Do(func() { gate.closed = true })
	first.Permit().Requeue() // ahead of those whose reason was "slots"
	if got := reasons(); !slices.Equal(got, []Reason{"closed", "closed", "closed"}) {
		t.Errorf("after a requeue: %v", got)
	}
	q.Update(func() { gate.closed, gate.slots = false, 0 })
	q.Remove(&first.Waiter)
	if got := reasons(); !slices.Equal(got, []Reason{"slots", "slots"}) {
		t.Errorf("after the head has gone: %v", got)
	}
}

func TestUnitsComeAndGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(3)
		small, _ := s.Acquire(t.Context())
		var large Slot
		var order []int
		go func() {
			large, _ = s.AcquireN(t.Context(), 3)
			order = append(order, 3)
		}()
		synctest.Wait()
		var later Slot
		go func() {
			later, _ = s.Acquire(t.Context()) // would fit, but starve the large request
			order = append(order, 1)
		}()
		synctest.Wait()
		if _, ok := s.TryAcquire(); ok {
			t.Error("TryAcquire passed the queue")
		}
		want := []WaiterInfo{{Position: 1, Units: 3, Reason: "slots"}, {Position: 2, Units: 1, Reason: "slots"}}
		if got := s.Waiters(); !slices.Equal(got, want) {
			t.Errorf("waiters %+v", got)
		}
		small.Release()
		synctest.Wait()
		if s.InUse() != 3 || !slices.Equal(order, []int{3}) {
			t.Fatalf("%d in use, admitted %v: the large request is next", s.InUse(), order)
		}
		large.Release()
		synctest.Wait()
		if s.InUse() != 1 {
			t.Errorf("%d in use", s.InUse())
		}
		later.Release()
		if s.InUse() != 0 {
			t.Errorf("%d in use at the end", s.InUse())
		}
	})
}

func TestATooLargeRequestDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(2)
		ctx, cancel := context.WithCancel(t.Context())
		huge := make(chan error)
		go func() { _, err := s.AcquireN(ctx, 5); huge <- err }()
		synctest.Wait()
		a, err := s.AcquireN(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		a.Release()
		if b, ok := s.TryAcquire(); !ok {
			t.Error("a free unit was refused")
		} else {
			b.Release()
		}
		cancel()
		if err := <-huge; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		go func() { slot, _ := s.AcquireN(t.Context(), 5); slot.Release(); huge <- nil }()
		synctest.Wait()
		if err := s.Resize(5); err != nil {
			t.Fatal(err)
		}
		<-huge
		if s.InUse() != 0 {
			t.Errorf("%d in use", s.InUse())
		}
	})
}

// A waiting call holds up those behind it, even if the queue has a call before it that
// is passed over. Once it gives up, they are asked.
func TestCancelOfACallThatDelaysOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(2)
		held, _ := s.TryAcquire()
		ctx, cancel := context.WithCancel(t.Context())
		acquire := func(ctx context.Context, units int) chan error {
			done := make(chan error, 1)
			go func() {
				slot, err := s.AcquireN(ctx, units)
				slot.Release()
				done <- err
			}()
			synctest.Wait()
			return done
		}
		passed := acquire(t.Context(), 5) // more than there are
		gives := acquire(ctx, 2)          // more than are free
		behind := acquire(t.Context(), 1)
		cancel()
		if err := <-gives; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case err := <-behind:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("a unit is free, but these wait: %+v", s.Waiters())
		}
		held.Release()
		s.Resize(5)
		<-passed
	})
}

func TestASlotIsReleasedOnce(t *testing.T) {
	s := NewSemaphore(2)
	Slot{}.Release()
	a, _ := s.TryAcquire()
	copied := a
	a.Release()
	b, _ := s.TryAcquireN(2) // has the index that a had
	a.Release()
	copied.Release()
	if s.InUse() != 2 {
		t.Errorf("%d in use: a second Release released another slot", s.InUse())
	}
	b.Release()
	b.Release()
	if s.InUse() != 0 {
		t.Errorf("%d in use at the end", s.InUse())
	}
}

func TestNegativeSizesAreRefused(t *testing.T) {
	s := NewSemaphore(1)
	if err := s.Resize(-1); err == nil {
		t.Error("Resize accepted a negative size")
	}
	for _, n := range []int{0, -1, math.MinInt} {
		if _, err := s.AcquireN(t.Context(), n); err == nil {
			t.Errorf("AcquireN accepted %d units", n)
		}
		if _, ok := s.TryAcquireN(n); ok {
			t.Errorf("TryAcquireN accepted %d units", n)
		}
	}
	if slot, ok := s.TryAcquireN(math.MaxInt); ok {
		t.Errorf("TryAcquireN acquired more than there is: %v", slot)
	}
	if _, ok := s.TryAcquire(); !ok || s.InUse() != 1 {
		t.Errorf("the size has changed: %d in use", s.InUse())
	}
	defer func() {
		if recover() == nil {
			t.Error("NewSemaphore accepted a negative size")
		}
	}()
	NewSemaphore(-1)
}

func TestTheErrorIsTheContextsCause(t *testing.T) {
	why := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := NewSemaphore(0)
	done := make(chan error)
	go func() { _, err := s.Acquire(ctx); done <- err }()
	for len(s.Waiters()) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel(why)
	for _, err := range []error{<-done, func() error { _, err := s.Acquire(ctx); return err }()} {
		if !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not wrap both Canceled and the cause", err)
		}
	}
}

func TestUncontendedCallsDoNotAllocate(t *testing.T) {
	s := NewSemaphore(2)
	ctx := context.Background()
	slot, _ := s.Acquire(ctx)
	for what, do := range map[string]func(){
		"Acquire":    func() { slot, _ := s.Acquire(ctx); slot.Release() },
		"TryAcquire": func() { slot, _ := s.TryAcquire(); slot.Release() },
		"a failed TryAcquire": func() {
			if _, ok := s.TryAcquireN(2); ok {
				t.Error("it was admitted")
			}
		},
	} {
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
	slot.Release()
}

func BenchmarkAcquireRelease(b *testing.B) {
	ctx := context.Background()
	b.Run("lock", func(b *testing.B) {
		s := NewSemaphore(1)
		b.ReportAllocs()
		for b.Loop() {
			slot, _ := s.Acquire(ctx)
			slot.Release()
		}
	})
	b.Run("x/sync", func(b *testing.B) {
		s := semaphore.NewWeighted(1)
		b.ReportAllocs()
		for b.Loop() {
			s.Acquire(ctx, 1)
			s.Release(1)
		}
	})
}

func BenchmarkTryAcquireFails(b *testing.B) {
	b.Run("lock", func(b *testing.B) {
		s := NewSemaphore(0)
		b.ReportAllocs()
		for b.Loop() {
			s.TryAcquire()
		}
	})
	b.Run("x/sync", func(b *testing.B) {
		s := semaphore.NewWeighted(0)
		b.ReportAllocs()
		for b.Loop() {
			s.TryAcquire(1)
		}
	})
}

func BenchmarkJoinRelease(b *testing.B) {
	q := NewQueue(&testGate{slots: 1}, 0)
	w := &Waiter{}
	b.ReportAllocs()
	for b.Loop() {
		q.Join(w)
		w.Permit().Release()
	}
}
