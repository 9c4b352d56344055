package relay

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// HasLoop says whether this system has the loop runner.
const HasLoop = true

// mostLoops bounds the loops: each is a thread, and one carries some hundred
// thousand messages a second.
const mostLoops = 16

// Loop is the runner for plain TCP and Unix sockets on Linux: a few event
// loops over raw descriptors that Go's own poller never sees. An idle session
// costs it two descriptors and a small struct, no goroutine and no buffer.
// The zero value is ready.
//
// One session's way: door_linux.go accepts it and steps it into the queue;
// side_linux.go looks out for its end there; call_linux.go connects to its
// backend, on the loop with the fewest sessions; from then on flow_linux.go
// moves its bytes, and haul_linux.go those of a stream that is worth a thread;
// end_linux.go passes its ends on and closes it. turn_linux.go is what all of
// this runs on.
type Loop struct {
	mu    sync.Mutex
	loops []*loop
	doors atomic.Int32
	pipes pipes

	turning sync.WaitGroup // the loops
	tasks   sync.WaitGroup // begun and not done
	aside   sync.WaitGroup // what blocks: Do, lookups, hauls
}

var _ Runner = (*Loop)(nil)

// loopSeat is what a loop knows of a task.
type loopSeat struct {
	task    Task
	client  *Side
	backend *Side                // while it relays
	home    atomic.Pointer[loop] // whose thread steps it
	call    *call                // the dial under way
	alarm   alarm                // At
	going   int8                 // directions that still move
	counted bool                 // in loop.busy
	done    bool
}

// Start makes the loops, if they are not there yet. Serve does it too; call it
// before to learn of an error.
func (r *Loop) Start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loops != nil {
		return nil
	}
	var loops []*loop
	for range min(runtime.GOMAXPROCS(0), mostLoops) {
		l, err := newLoop(r)
		if err != nil {
			for _, made := range loops {
				made.close()
			}
			return fmt.Errorf("relay: event loop: %w", err)
		}
		loops = append(loops, l)
	}
	r.loops = loops
	for _, l := range loops {
		r.turning.Add(1)
		go l.turn()
	}
	return nil
}

func newLoop(r *Loop) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	eventfd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &loop{run: r, epoll: epoll, buf: new([bufferSize]byte)}
	l.box.eventfd = int32(eventfd)
	if _, e := l.add(l.box.eventfd, unix.EPOLLIN|unix.EPOLLET, &l.box); e != 0 {
		unix.Close(epoll)
		unix.Close(eventfd)
		return nil, os.NewSyscallError("epoll_ctl", e)
	}
	return l, nil
}

func (r *Loop) Name() string { return "loop" }

func (r *Loop) Begin(t Task, client *Side) {
	s := &t.RunnerState().loop
	r.tasks.Add(1)
	s.task, s.client = t, client
	s.home.Store(client.home)
	client.home.step(s, Event{Kind: Begin})
}

func (r *Loop) Post(t Task, ev Event) {
	s := &t.RunnerState().loop
	s.home.Load().box.post(mail{seat: s, ev: ev}, nil)
}

func (r *Loop) Do(t Task, f func() Event) {
	r.aside.Add(1)
	go r.do(t, f)
}

func (r *Loop) do(t Task, f func() Event) {
	defer r.aside.Done()
	r.Post(t, f())
}

// Dial is begun once the step that asks for it is over: the session may move
// to another loop with it.
func (r *Loop) Dial(t Task, d Dial) {
	s := &t.RunnerState().loop
	s.home.Load().wanted = wanted{s, d}
}

func (r *Loop) Abort(t Task) {
	s := &t.RunnerState().loop
	l := s.home.Load()
	if l.wanted.seat == s {
		l.wanted = wanted{}
		l.tell(s, Event{Kind: Failed, Err: errAborted})
	} else if s.call != nil {
		s.call.abort(l)
	}
}

func (r *Loop) SetTimer(t Task, d time.Duration) {
	s := &t.RunnerState().loop
	l := s.home.Load()
	if d < 0 {
		l.alarms.drop(&s.alarm)
		return
	}
	l.alarms.set(&s.alarm, l.now+int64(d), s)
}

func (s *loopSeat) ring(l *loop) { l.step(s, Event{Kind: Timer}) }

func (r *Loop) Done(t Task) {
	s := &t.RunnerState().loop
	l := s.home.Load()
	s.done = true
	r.tasks.Done()
	l.alarms.drop(&s.alarm)
	if s.counted {
		s.counted = false
		l.busy.Add(-1)
	}
}

func (r *Loop) Shutdown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks.Wait()
	r.aside.Wait()
	for _, l := range r.loops {
		l.box.post(mail{do: (*loop).stop}, nil)
	}
	r.turning.Wait()
	r.loops = nil
	r.pipes.close()
}
