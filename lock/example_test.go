package lock_test

import (
	"context"
	"fmt"

	"github.com/tcpctl/tcpctl/lock"
)

func Example() {
	conversions := lock.NewSemaphore(1) // one document at a time

	slot, err := conversions.Acquire(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, free := conversions.TryAcquire()
	fmt.Println("a second slot:", free)

	slot.Release()
	fmt.Println("in use:", conversions.InUse())
	// Output:
	// a second slot: false
	// in use: 0
}

// A press has two printers and needs ink. Jobs wait for both in one queue; a
// job for a photo printer, which is broken, does not delay the others.
func ExampleQueue() {
	p := &press{printers: 2}
	p.queue = lock.NewQueue(p, 10)
	var jobs []*job
	for _, name := range []string{"poster", "photo", "leaflet"} {
		j := &job{name: name, photo: name == "photo", granted: make(chan struct{})}
		j.Owner = j
		if _, err := p.queue.Join(&j.Waiter); err != nil {
			fmt.Println(err)
			return
		}
		jobs = append(jobs, j)
	}
	p.queue.View(func() {
		for w := range p.queue.Waiters() {
			fmt.Println(w.Owner.(*job).name, "waits for", w.Reason())
		}
	})

	p.queue.Update(func() { p.ink = true })
	<-jobs[0].granted
	<-jobs[2].granted // behind the photo, which the gate skips
	fmt.Println("waiting:", p.queue.Len())

	if p.queue.Remove(&jobs[1].Waiter) {
		fmt.Println("the photo is cancelled")
	}
	jobs[0].Permit().Release()
	jobs[2].Permit().Release()
	p.queue.View(func() { fmt.Println("printers:", p.printers) })
	// Output:
	// poster waits for ink
	// photo waits for ink
	// leaflet waits for ink
	// waiting: 1
	// the photo is cancelled
	// printers: 2
}

// press is the gate; the queue's lock guards its fields.
type press struct {
	queue    *lock.Queue
	ink      bool
	printers int
}

func (p *press) Admit(w *lock.Waiter) (lock.Decision, lock.Reason) {
	switch {
	case !p.ink:
		return lock.Wait, "ink"
	case w.Owner.(*job).photo:
		return lock.Skip, "repair"
	case p.printers == 0:
		return lock.Wait, "printers"
	}
	p.printers--
	return lock.Admit, ""
}

func (p *press) Release(*lock.Waiter) { p.printers++ }

type job struct {
	lock.Waiter
	name    string
	photo   bool
	granted chan struct{}
}

func (j *job) Granted(*lock.Waiter) { close(j.granted) }
