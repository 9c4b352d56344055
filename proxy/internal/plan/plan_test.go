package plan

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// shape writes steps in one line.
func shape(s *Steps) (text string) {
	for _, step := range s.List() {
		text += fmt.Sprintf("%s %s %q %s; ", step.Name, step.State, step.Detail, step.Took)
	}
	return text
}

func TestStepsAreTakenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t.Context(), "drain", "check")
		var during string
		err := s.Take(func(n int) (string, error) {
			time.Sleep(time.Second)
			if n == 0 {
				during = s.At() + ": " + shape(s)
			}
			return fmt.Sprint(n), nil
		})
		if want := `drain: drain running "" 1s; check waiting "" 0s; `; during != want {
			t.Errorf("%s, want %s", during, want)
		}
		if got, want := shape(s), `drain done "0" 1s; check done "1" 1s; `; err != nil || got != want || s.At() != "" {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
		if s.Context().Err() == nil {
			t.Error("the context outlives the steps")
		}
	})
}

func TestAFailureSkipsTheRest(t *testing.T) {
	broken := errors.New("broken")
	s := New(t.Context(), "a", "b", "c")
	err := s.Take(func(n int) (string, error) {
		if n == 1 {
			return "unheard", broken
		}
		return "", nil
	})
	if !errors.Is(err, broken) || err.Error() != "b: broken" {
		t.Error(err)
	}
	for n, want := range []State{Done, Failed, Skipped} {
		if got := s.List()[n]; got.State != want || n == 1 && got.Detail != "broken" {
			t.Errorf("%d: %+v", n, got)
		}
	}
}

func TestAPauseIsBeforeTheNextStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(t.Context(), "a", "b")
		taken, ended := 0, make(chan error)
		go func() {
			ended <- s.Take(func(n int) (string, error) {
				if n == 0 {
					s.Pause()
					s.Pause() // once more changes nothing
				}
				taken++
				return "", nil
			})
		}()
		synctest.Wait()
		if taken != 1 || !s.Paused() || s.At() != "" {
			t.Errorf("paused %v after %d steps, at %q", s.Paused(), taken, s.At())
		}
		s.Next()
		s.Next()
		if err := <-ended; err != nil || taken != 2 || s.Paused() {
			t.Errorf("%v after %d steps", err, taken)
		}
	})
}

// TestAbort ends the running step, or the pause, and the first cause counts.
func TestAbort(t *testing.T) {
	for _, paused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := New(t.Context(), "a", "b")
			if paused {
				s.Pause()
			}
			ended := make(chan error)
			go func() {
				ended <- s.Take(func(int) (string, error) {
					<-s.Context().Done()
					return "", context.Cause(s.Context())
				})
			}()
			synctest.Wait()
			first := errors.New("by ana")
			s.Abort(first)
			s.Abort(errors.New("by ben"))
			if err := <-ended; !errors.Is(err, first) {
				t.Errorf("paused %v: %v", paused, err)
			}
			if last := s.List()[1]; last.State != Skipped {
				t.Errorf("paused %v: %+v", paused, last)
			}
		})
	}
}
