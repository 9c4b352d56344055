package relay

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// loop is one event loop and its sessions. Only the goroutine of run uses its
// fields, except for inbox and busy.
type loop struct {
	runner      *Loop
	epoll       int
	inbox       inbox
	busy        atomic.Int32 // sessions that dial or relay here
	now         int64        // since start, as of this iteration
	slots       slots
	timers      timers
	buf         *buffer   // for the current read
	second      *buffer   // the content of its TLS records or frames, or what to send in them
	bulk        *buffer   // for a side that is inBulk
	pending     []*Side   // have more to read than maxReads
	resume      []*Side   // the other half of a double buffer
	events      []message // raised within a step
	dialRequest dialRequest
	freeDials   []*loopDial // finished, for reuse
	recent      recentConns
	urgent      map[*Side]marks // of the few sides that send urgent data
	ended       bool

	yielded int64 // when it last yielded to other goroutines
}

// dialRequest is a dial requested by a step.
type dialRequest struct {
	task *loopTask
	dial Dial
}

// run is the loop. One iteration waits, handles what is ready, the inbox and the
// expired timers, and continues the sides in pending.
func (l *loop) run() {
	defer l.runner.running.Done()
	var events [128]unix.EpollEvent
	for !l.ended {
		n := l.wait(events[:])
		l.now = int64(time.Since(start))
		for i := range events[:n] {
			if h := l.slots.handlerOf(&events[i]); h != nil {
				h.onReady(l, events[i].Events)
			}
		}
		for _, m := range l.inbox.take() {
			l.handle(m)
		}
		for t := l.timers.expired(l.now); t != nil; t = l.timers.expired(l.now) {
			t.handler.onTimer(l)
		}
		l.resumePending()
	}
	l.close()
}

// yieldEvery is how often a loop that never waits yields to other goroutines.
const yieldEvery = int64(time.Millisecond)

// wait returns the events that are ready. Under load there always are some, so it
// polls first: an ordinary wait hands the processor to other goroutines, and
// getting it back costs more than the poll. (A raw wait with a time limit cost
// more than it saved: it sets a timer each time.)
func (l *loop) wait(events []unix.EpollEvent) int {
	if l.now-l.yielded > yieldEvery {
		l.yielded = l.now
		runtime.Gosched()
	}
	idle := len(l.pending) == 0 && l.inbox.prepareWait()
	if n := epollPoll(l.epoll, events); n > 0 || !idle {
		return n
	}
	n, err := unix.EpollWait(l.epoll, events, l.timeout())
	if err != nil {
		return 0 // EINTR
	}
	return n
}

// timeout is how many milliseconds remain until the next timer, -1 if there is
// none.
func (l *loop) timeout() int {
	if len(l.timers) == 0 {
		return -1
	}
	d := time.Duration(l.timers[0].at) - time.Since(start)
	return int(min(max(0, (d+time.Millisecond-1)/time.Millisecond), math.MaxInt32)) // the kernel takes 32 bits
}

// resumePending continues the sides that stopped at maxReads, and steps the tasks for
// raised events.
func (l *loop) resumePending() {
	l.handleEvents()
	l.pending, l.resume = l.resume[:0], l.pending
	for i, side := range l.resume {
		l.resume[i] = nil
		side.dir.pending = false
		l.copy(side)
	}
	l.handleEvents()
}

// notify steps a task once the current step is over.
func (l *loop) notify(s *loopTask, ev Event) { l.events = append(l.events, message{task: s, ev: ev}) }

func (l *loop) handleEvents() {
	for i := 0; i < len(l.events); i++ { // a step may add more
		m := l.events[i]
		l.events[i] = message{}
		l.handle(m) // an earlier event may have moved its task
	}
	l.events = l.events[:0]
}

// handle handles one message. A message for a task that has moved is posted to its
// loop.
func (l *loop) handle(m message) {
	if m.task != nil {
		if to := m.task.loop.Load(); to != l {
			to.inbox.post(m, nil)
			return
		}
	}
	if m.do != nil {
		m.do(l)
		return
	}
	l.step(m.task, m.ev)
}

func (l *loop) step(s *loopTask, ev Event) {
	if s.moved {
		l.runner.Other.Post(s.task, ev)
		return
	}
	if s.done {
		if ev.Kind == Connected {
			l.closeSide(ev.Side, true)
		}
		return
	}
	s.task.Step(ev)
	if s.moved {
		l.runner.Other.stepped(s.task)
		return
	}
	if s.done && !s.over {
		s.over = true // only after the step, which may have begun a Do
		s.client.closeEnded()
		l.runner.leave(s)
		return
	}
	if l.dialRequest.task != nil {
		l.assign()
	}
}

// slack is how many more sessions than another a loop may have before it moves one
// there: keeping a session is cheaper, unless its bytes need work, as of TLS or frames,
// which keeps the loop busy.
func slack(client *Side) int32 {
	if client.connSide != nil {
		return 1
	}
	return 8
}

// assign starts the dial that a step has requested, on the loop with the fewest
// sessions. Thus one loop accepts all clients of a listener, in order, and waiters stay
// there: granting a slot does not cross threads.
func (l *loop) assign() {
	s, d := l.dialRequest.task, l.dialRequest.dial
	l.dialRequest = dialRequest{}
	to := l
	if !s.counted {
		slack := slack(s.client)
		for _, other := range l.runner.loops {
			if n := other.busy.Load(); n+slack+n/8 < to.busy.Load() {
				to = other
			}
		}
		s.counted = true
		to.busy.Add(1)
	}
	if to == l {
		l.startDial(s, d)
	} else {
		l.moveTo(to, s, d)
	}
}

// moveTo moves a task to another loop, which starts its dial.
func (l *loop) moveTo(to *loop, s *loopTask, d Dial) {
	armed := s.timer.index != 0
	l.timers.stop(&s.timer)
	c := s.client
	use := c.use
	c.detach()
	c.loop = to
	moved := func(l *loop) {
		if armed {
			l.timers.set(&s.timer, s.timer.at, s)
		}
		switch use {
		case watched:
			l.watch(c)
		case opening: // for frames, whose handshake is done: it is kept alive meanwhile
			c.use = opening
			if l.arm(c) != 0 {
				c.opening.end()
			}
		}
		l.startDial(s, d)
	}
	to.inbox.post(message{do: moved}, func() { s.loop.Store(to) })
}

func (l *loop) stop() { l.ended = true }

func (l *loop) close() {
	for _, m := range l.inbox.close() {
		if m.do != nil {
			m.do(l)
		}
	}
	unix.Close(l.epoll)
	unix.Close(int(l.inbox.eventfd))
}

// onReady does nothing: the event has woken the loop, which reads its inbox in each
// iteration.
func (in *inbox) onReady(*loop, uint32) {}
