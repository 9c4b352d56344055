package relay

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// loop is one thread's worth of sessions. Everything in it belongs to the
// goroutine of turn, but for the mailbox and busy.
type loop struct {
	runner      *Loop
	epoll       int
	inbox       inbox
	busy        atomic.Int32 // sessions that dial or relay here
	now         int64        // since start, as of this turn
	slots       slots
	timers      timers
	buf         *[bufferSize]byte // what is being read right now
	pending     []*Side           // have more to read than one turn may
	resume      []*Side           // the other half of a double buffer
	events      []message         // that came up within a step
	dialRequest dialRequest
	freeDials   []*loopDial // that are over, to be used again
	recent      recentConns
	urgent      map[*Side]marks // of the few that send urgent data
	ended       bool

	yielded int64 // when it last let others run
}

// wanted is a dial that a step has asked for.
type dialRequest struct {
	task *loopTask
	dial Dial
}

// turn is a loop's life: wait, hear who is ready, read the mail, see whose
// time has come, and go on with those who had more to do.
func (l *loop) run() {
	defer l.runner.running.Done()
	var events [128]unix.EpollEvent
	for !l.ended {
		n := l.wait(events[:])
		l.now = int64(time.Since(start))
		for i := range events[:n] {
			if who := l.slots.handlerOf(&events[i]); who != nil {
				who.onReady(l, events[i].Events)
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

// yieldEvery is how often a loop that never waits lets other goroutines run.
const yieldEvery = int64(time.Millisecond)

// wait gives what is ready. Under load there is always somebody, so it looks
// first without waiting: an ordinary wait lends the processor away, and getting
// it back is dearer than the look. (A wait that kept it, but not for long,
// cost more than it saved: it sets a timer each time.)
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

// patience is how many milliseconds there are until the next alarm, -1 when
// there is none.
func (l *loop) timeout() int {
	if len(l.timers) == 0 {
		return -1
	}
	left := time.Duration(l.timers[0].at) - time.Since(start)
	return int(max(0, (left+time.Millisecond-1)/time.Millisecond))
}

// goOn moves those who were cut short, and tells tasks what came up.
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

// tell steps a task once the step that is under way is over.
func (l *loop) notify(s *loopTask, ev Event) { l.events = append(l.events, message{task: s, ev: ev}) }

func (l *loop) handleEvents() {
	for i := 0; i < len(l.events); i++ { // a step may add more
		m := l.events[i]
		l.events[i] = message{}
		l.handle(m) // an earlier event may have moved its task
	}
	l.events = l.events[:0]
}

// open reads one piece of mail. Mail for a task that has moved meanwhile goes
// after it.
func (l *loop) handle(m message) {
	if m.do != nil {
		m.do(l)
	} else if home := m.task.loop.Load(); home != l {
		home.inbox.post(m, nil)
	} else {
		l.step(m.task, m.ev)
	}
}

func (l *loop) step(s *loopTask, ev Event) {
	if s.done {
		if ev.Kind == Connected {
			l.closeSide(ev.Side, true)
		}
		return
	}
	s.task.Step(ev)
	if l.dialRequest.task != nil {
		l.assign()
	}
}

// slack is how many sessions more a loop may have before it gives one away: it
// is cheaper to keep it.
const slack = 8

// place begins the dial that a step has asked for on the loop with the fewest
// sessions. So a listener is accepted from by one loop, in order, and those
// who only wait stay there: a slot is handed over without crossing threads.
func (l *loop) assign() {
	s, d := l.dialRequest.task, l.dialRequest.dial
	l.dialRequest = dialRequest{}
	to := l
	if !s.counted {
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
		return
	}
	due := s.timer.index != 0
	l.timers.stop(&s.timer)
	c := s.client
	watched := c.use == watched
	c.detach()
	c.loop = to
	moved := func(l *loop) {
		if due {
			l.timers.set(&s.timer, s.timer.at, s)
		}
		if watched {
			l.watch(c)
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

// ready is only there to wake the loop: the mail is read in each turn.
func (in *inbox) onReady(*loop, uint32) {}
