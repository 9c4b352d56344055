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
	run    *Loop
	epoll  int
	box    mailbox
	busy   atomic.Int32 // sessions that dial or relay here
	now    int64        // since start, as of this turn
	slots  slots
	alarms alarms
	buf    *[bufferSize]byte // what is being read right now
	ready  []*Side           // have more to read than one turn may
	resume []*Side           // the other half of a double buffer
	news   []news
	wanted wanted
	calls  []*call // that are over, to be used again
	young  young
	urgent map[*Side]marks // of the few that send urgent data
	ended  bool

	yielded int64 // when it last let others run
}

// news is an event that came up in the middle of a step.
type news struct {
	seat *loopSeat
	ev   Event
}

// wanted is a dial that a step has asked for.
type wanted struct {
	seat *loopSeat
	dial Dial
}

// turn is a loop's life: wait, hear who is ready, read the mail, see whose
// time has come, and go on with those who had more to do.
func (l *loop) turn() {
	defer l.run.turning.Done()
	var events [128]unix.EpollEvent
	for !l.ended {
		n := l.wait(events[:])
		l.now = int64(time.Since(start))
		for i := range events[:n] {
			if who := l.slots.whose(&events[i]); who != nil {
				who.ready(l, events[i].Events)
			}
		}
		for _, m := range l.box.take() {
			l.open(m)
		}
		for a := l.alarms.due(l.now); a != nil; a = l.alarms.due(l.now) {
			a.whose.ring(l)
		}
		l.goOn()
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
	idle := len(l.ready) == 0 && l.box.sleep()
	if n := epollLook(l.epoll, events); n > 0 || !idle {
		return n
	}
	n, err := unix.EpollWait(l.epoll, events, l.patience())
	if err != nil {
		return 0 // EINTR
	}
	return n
}

// patience is how many milliseconds there are until the next alarm, -1 when
// there is none.
func (l *loop) patience() int {
	if len(l.alarms) == 0 {
		return -1
	}
	left := time.Duration(l.alarms[0].at) - time.Since(start)
	return int(max(0, (left+time.Millisecond-1)/time.Millisecond))
}

// goOn moves those who were cut short, and tells tasks what came up.
func (l *loop) goOn() {
	l.tellAll()
	l.ready, l.resume = l.resume[:0], l.ready
	for i, side := range l.resume {
		l.resume[i] = nil
		side.flow.again = false
		l.pump(side)
	}
	l.tellAll()
}

// tell steps a task once the step that is under way is over.
func (l *loop) tell(s *loopSeat, ev Event) { l.news = append(l.news, news{s, ev}) }

func (l *loop) tellAll() {
	for i := 0; i < len(l.news); i++ { // telling may bring more
		n := l.news[i]
		l.news[i] = news{}
		l.open(mail{seat: n.seat, ev: n.ev}) // its task may have moved by what was told before
	}
	l.news = l.news[:0]
}

// open reads one piece of mail. Mail for a task that has moved meanwhile goes
// after it.
func (l *loop) open(m mail) {
	if m.do != nil {
		m.do(l)
	} else if home := m.seat.home.Load(); home != l {
		home.box.post(m, nil)
	} else {
		l.step(m.seat, m.ev)
	}
}

func (l *loop) step(s *loopSeat, ev Event) {
	if s.done {
		if ev.Kind == Connected {
			l.hangUp(ev.Side, true)
		}
		return
	}
	s.task.Step(ev)
	if l.wanted.seat != nil {
		l.place()
	}
}

// slack is how many sessions more a loop may have before it gives one away: it
// is cheaper to keep it.
const slack = 8

// place begins the dial that a step has asked for on the loop with the fewest
// sessions. So a listener is accepted from by one loop, in order, and those
// who only wait stay there: a slot is handed over without crossing threads.
func (l *loop) place() {
	s, d := l.wanted.seat, l.wanted.dial
	l.wanted = wanted{}
	to := l
	if !s.counted {
		for _, other := range l.run.loops {
			if n := other.busy.Load(); n+slack+n/8 < to.busy.Load() {
				to = other
			}
		}
		s.counted = true
		to.busy.Add(1)
	}
	if to == l {
		l.begin(s, d)
		return
	}
	due := s.alarm.place != 0
	l.alarms.drop(&s.alarm)
	c := s.client
	watched := c.use == watched
	c.leave()
	c.home = to
	moved := func(l *loop) {
		if due {
			l.alarms.set(&s.alarm, s.alarm.at, s)
		}
		if watched {
			l.watch(c)
		}
		l.begin(s, d)
	}
	to.box.post(mail{do: moved}, func() { s.home.Store(to) })
}

func (l *loop) stop() { l.ended = true }

func (l *loop) close() {
	for _, m := range l.box.close() {
		if m.do != nil {
			m.do(l)
		}
	}
	unix.Close(l.epoll)
	unix.Close(int(l.box.eventfd))
}

// ready is only there to wake the loop: the mail is read in each turn.
func (b *mailbox) ready(*loop, uint32) {}
