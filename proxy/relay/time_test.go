package relay_test

import (
	"sync"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/relay"
)

func TestTimerFiresOnceAndTheLastCallCounts(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).addr(), holding)
		h.come()
		s := next(t, h.begun)
		began := time.Now()
		s.signal(func(s *session) {
			r.SetTimer(s, time.Hour)
			r.SetTimer(s, 30*time.Millisecond)
		})
		if fired := receive(t, h.timer); fired.Sub(began) < 29*time.Millisecond {
			t.Errorf("the timer fired after %v", fired.Sub(began))
		}
		s.signal(func(s *session) {
			r.SetTimer(s, 20*time.Millisecond)
			r.SetTimer(s, -1)
		})
		pause(80)
		if len(h.timer) > 0 {
			t.Error("the timer fired although it was stopped, or twice")
		}
		s.signal(func(s *session) {
			r.SetTimer(s, 10*time.Millisecond)
			leave(s)
		})
		next(t, h.over)
		pause(30)
		if len(h.timer) > 0 {
			t.Error("the timer fired after Done")
		}
	})
}

func TestTimersOfManyTasksFireInOrder(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).addr(), holding)
		var all []*session
		for range 50 {
			h.come()
			all = append(all, next(t, h.begun))
		}
		for i, s := range all {
			s.signal(func(s *session) { r.SetTimer(s, time.Duration(1+(i*37)%50)*2*time.Millisecond) })
		}
		for range all {
			receive(t, h.timer)
		}
		for _, s := range all {
			s.signal(leave)
			next(t, h.over)
		}
	})
}

// TestPostsFromManyThreadsAreAllHeard, one at a time, even while the task moves to
// another loop and while it ends.
func TestPostsFromManyThreadsAreAllHeard(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).echo().addr(), holding)
		const tasks, threads, posts = 20, 8, 100
		for range tasks {
			c := h.come()
			s := next(t, h.begun)
			var all sync.WaitGroup
			for i := range threads {
				all.Go(func() {
					for range posts {
						r.Post(s, relay.Event{Kind: relay.Signal})
					}
					if i == threads/2 {
						s.signal(goOn)
					}
				})
			}
			say(t, c, "x")
			hear(t, c, "x")
			all.Wait()
			within(t, "all posts have arrived", func() bool { return s.signals.Load() == threads*posts+1 })
			all.Go(func() {
				for range posts {
					r.Post(s, relay.Event{Kind: relay.Signal})
				}
			})
			reset(c)
			next(t, h.over)
			all.Wait()
		}
	})
}

func TestDoStepsWithItsEvent(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", newBackend(t).addr(), holding)
		h.come()
		s := next(t, h.begun)
		s.signal(func(s *session) {
			r.Do(s, func() relay.Event {
				pause(10)
				return relay.Event{Kind: relay.Signal, Arg: leave}
			})
		})
		next(t, h.over)
	})
}
