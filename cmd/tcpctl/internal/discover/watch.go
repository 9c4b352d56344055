package discover

import (
	"context"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// How long a watcher waits.
const (
	minGap      = time.Second     // between the starts of two queries
	maxPatience = 5 * time.Minute // how long a source may wait for a change
)

// watcher asks one source repeatedly.
type watcher struct {
	spec    Spec
	src     source
	set     Set
	check   func(...proxy.BackendConfig) error // further checks of an answer
	busy    func() bool                        // maintenance is under way
	publish func(Set, []Event)

	done chan struct{}
}

// run asks the source until ctx ends.
func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	defer w.src.close()
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		a, err := w.ask(ctx, w.patience(began))
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		var events []Event
		wait := min(a.valid, w.spec.refresh())
		if err == nil {
			w.set, events = w.set.Answer(a.backends, Terms{w.spec.Hold, w.busy()}, now)
			failures = 0
		} else {
			w.set, events = w.set.Fail(err.Error(), now)
			wait = min(minGap<<min(failures, 10), w.spec.refresh())
			failures++
		}
		w.publish(w.set, events)
		if h := w.set.Held; h != nil {
			wait = min(wait, h.Until.Sub(now)) // a hold ends only with an answer
		}
		sleep(ctx, max(wait, minGap-now.Sub(began)))
	}
}

// patience returns how long a source may wait for a change.
func (w *watcher) patience(now time.Time) time.Duration {
	switch {
	case w.set.At.IsZero() || w.set.Failure != "":
		return 0
	case w.set.Held != nil:
		return max(min(w.set.Held.Until.Sub(now), maxPatience), 0)
	}
	return maxPatience
}

// ask asks once, and completes the answer. A panic becomes an error: a source's data must not end
// the process.
func (w *watcher) ask(ctx context.Context, patience time.Duration) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a fault of the program: %v", p)
		}
	}()
	if a, err = w.src.ask(ctx, patience); err != nil {
		return answer{}, err
	}
	if a.backends, err = complete(a.backends, w.spec.Backend, w.spec.Kind()); err == nil {
		err = w.check(a.backends...)
	}
	if err != nil {
		return answer{}, err
	}
	return a, nil
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
