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

// HasLoop reports whether this system has the loop runner.
const HasLoop = true

// mostLoops bounds the loops: each is a thread, and one copies about a hundred
// thousand messages a second.
const mostLoops = 16

// Loop is the runner for TCP and Unix sockets on Linux, with or without TLS 1.3: a few
// event loops over raw descriptors that Go's own poller never sees. An idle session
// costs two descriptors and a small struct, no goroutine and no buffer. The zero value
// is ready to use.
//
// A session passes through these files: loop_accept_linux.go accepts its client and
// begins its task; loop_opening_linux.go reads its PROXY header and does the TLS
// handshake; loop_side_linux.go watches the client while it waits; loop_dial_linux.go
// connects to the backend, on the loop with the fewest sessions; loop_copy_linux.go
// copies its data, loop_tls_linux.go that of TLS, loop_splice_linux.go that of bulk
// streams; loop_close_linux.go passes on ends of stream and closes it.
// loop_epoll_linux.go is the loop itself.
type Loop struct {
	Other *Stream // runs the tasks that Move moves

	mu        sync.Mutex
	loops     []*loop
	listeners atomic.Int32
	pipes     pipes

	running    sync.WaitGroup // the loops
	tasks      sync.WaitGroup // between Begin and Done
	goroutines sync.WaitGroup // that may block: Do, lookups, splicers
}

var _ Runner = (*Loop)(nil)

// loopTask is what a loop keeps for a task.
type loopTask struct {
	task    Task
	client  *Side
	backend *Side                // while it relays
	loop    atomic.Pointer[loop] // its thread steps the task
	dial    *loopDial            // the dial in progress
	timer   timer                // of SetTimer
	moving  int8                 // directions that have not ended
	counted bool                 // in loop.busy
	done    bool
	over    bool // done, and the last step has returned
	moved   bool // the stream runner has the task now
}

// Start starts the loops, once. Serve does so, too; call Start before it to get the
// error.
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
		r.running.Add(1)
		go l.run()
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
	l := &loop{runner: r, epoll: epoll, buf: newBuffer(loopBufferSize), second: newBuffer(loopBufferSize), bulk: newBuffer(bulkSize)}
	l.inbox.eventfd = int32(eventfd)
	if _, e := l.add(l.inbox.eventfd, unix.EPOLLIN|unix.EPOLLET, &l.inbox); e != 0 {
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
	client.task = s
	s.loop.Store(client.loop)
	client.loop.step(s, Event{Kind: Begin})
}

func (r *Loop) Post(t Task, ev Event) {
	s := &t.RunnerState().loop
	s.loop.Load().inbox.post(message{task: s, ev: ev}, nil)
}

func (r *Loop) Do(t Task, f func() Event) {
	r.goroutines.Add(1)
	go r.do(t, f)
}

func (r *Loop) do(t Task, f func() Event) {
	defer r.goroutines.Done()
	r.Post(t, f())
}

// Dial starts the dial after the current step: the session may move to another
// loop with it.
func (r *Loop) Dial(t Task, d Dial) {
	s := &t.RunnerState().loop
	s.loop.Load().dialRequest = dialRequest{s, d}
}

func (r *Loop) Abort(t Task) {
	s := &t.RunnerState().loop
	l := s.loop.Load()
	if l.dialRequest.task == s {
		l.dialRequest = dialRequest{}
		l.notify(s, Event{Kind: Failed, Err: errAborted})
	} else if s.dial != nil {
		s.dial.abort(l)
	}
}

func (r *Loop) SetTimer(t Task, d time.Duration) {
	s := &t.RunnerState().loop
	l := s.loop.Load()
	if d < 0 {
		l.timers.stop(&s.timer)
		return
	}
	l.timers.set(&s.timer, l.now+int64(d), s)
}

func (s *loopTask) onTimer(l *loop) { l.step(s, Event{Kind: Timer}) }

func (r *Loop) Done(t Task) {
	t.RunnerState().loop.done = true // see step
}

// leave ends the loop's work for a task, after its last step.
func (r *Loop) leave(s *loopTask) {
	l := s.loop.Load()
	r.tasks.Done()
	l.timers.stop(&s.timer)
	if s.counted {
		s.counted = false
		l.busy.Add(-1)
	}
}

// Move moves a task to the stream runner for good, if its session needs what loops
// cannot do. Call it within the task's step, while neither a dial nor a function of Do
// is in progress, and before Relay. The client's side becomes a net.Conn, and no data
// is lost. From then on the task must use the methods of Other; events already posted
// to the loop still arrive.
func (r *Loop) Move(t Task) {
	s := &t.RunnerState().loop
	c := s.client
	watched, armed, until := c.use == watched, s.timer.index != 0, s.timer.at-s.loop.Load().now
	t.RunnerState().stream = &streamTask{busy: true} // until this step has returned
	s.moved = true
	c.becomeConn()
	r.leave(s)
	if watched {
		r.Other.Watch(t, c)
	}
	if armed {
		r.Other.SetTimer(t, time.Duration(max(until, 0)))
	}
}

func (r *Loop) Shutdown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks.Wait()
	r.goroutines.Wait()
	for _, l := range r.loops {
		l.inbox.post(message{do: (*loop).stop}, nil)
	}
	r.running.Wait()
	r.loops = nil
	r.pipes.close()
}
