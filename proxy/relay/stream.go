package relay

import (
	"cmp"
	"context"
	"net"
	"sync"
	"time"
)

// Stream is the portable runner: goroutines over net.Conn. The zero value is
// ready to use.
type Stream struct {
	wg    sync.WaitGroup
	pipes pipes
	idle  idleSet
}

var _ Runner = (*Stream)(nil)

// streamTask is a task's inbox. A goroutine that finds it idle steps the task; events
// during a step are queued for that goroutine.
type streamTask struct {
	mu    sync.Mutex
	inbox []Event
	busy  bool
	done  bool
	ended int8 // sides whose Ended was delivered
	timer *time.Timer
	abort context.CancelFunc
}

func (r *Stream) Name() string { return "stream" }

func (r *Stream) Begin(t Task, _ *Side) {
	t.RunnerState().stream = &streamTask{}
	r.deliver(t, Event{Kind: Begin})
}

// deliver steps the task in the calling goroutine, unless another one is stepping it.
func (r *Stream) deliver(t Task, ev Event) {
	s := t.RunnerState().stream
	s.mu.Lock()
	if s.done {
		s.mu.Unlock()
		ev.tooLate()
		return
	}
	if ev.Kind == Ended {
		s.ended++
		ev.Last = s.ended == 2 // decided under the lock, so that the last is delivered last
	}
	s.inbox = append(s.inbox, ev)
	if s.busy {
		s.mu.Unlock()
		return
	}
	s.busy = true
	r.stepAll(t, s)
}

// tooLate is called for an event that its task no longer takes.
func (ev *Event) tooLate() {
	if ev.Kind == Connected {
		_ = recovered(func() { ev.Side.closeConn(true) })
	}
}

// stepAll steps the task until its inbox is empty. s.mu is locked.
func (r *Stream) stepAll(t Task, s *streamTask) {
	for len(s.inbox) > 0 && !s.done {
		ev := s.inbox[0]
		s.inbox = s.inbox[1:]
		s.mu.Unlock()
		t.Step(ev)
		s.mu.Lock()
	}
	late := s.inbox
	s.inbox = nil
	s.busy = false
	s.mu.Unlock()
	for i := range late {
		late[i].tooLate()
	}
}

func (r *Stream) Post(t Task, ev Event) {
	s := t.RunnerState().stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return
	}
	s.inbox = append(s.inbox, ev)
	if !s.busy {
		s.busy = true
		r.wg.Add(1)
		go r.stepPosted(t, s)
	}
}

// stepped ends a step of a task that the loop has begun and moved here.
func (r *Stream) stepped(t Task) {
	s := t.RunnerState().stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy = len(s.inbox) > 0; s.busy {
		r.wg.Add(1)
		go r.stepPosted(t, s)
	}
}

func (r *Stream) stepPosted(t Task, s *streamTask) {
	defer r.wg.Done()
	s.mu.Lock()
	r.stepAll(t, s)
}

func (r *Stream) Do(t Task, f func() Event) {
	r.wg.Add(1)
	go r.do(t, f)
}

func (r *Stream) do(t Task, f func() Event) {
	defer r.wg.Done()
	r.deliver(t, f())
}

func (r *Stream) Dial(t Task, d Dial) {
	ctx, cancel := context.WithCancel(context.Background())
	s := t.RunnerState().stream
	s.mu.Lock()
	s.abort = cancel
	s.mu.Unlock()
	r.wg.Add(1)
	go r.dial(ctx, cancel, t, d)
}

func (r *Stream) dial(ctx context.Context, cancel context.CancelFunc, t Task, d Dial) {
	defer r.wg.Done()
	defer cancel()
	var side *Side
	var err error
	panicked := recovered(func() {
		var c net.Conn
		if c, err = Connect(ctx, d); err == nil {
			side = NewSide(c)
		}
	})
	s := t.RunnerState().stream
	s.mu.Lock()
	s.abort = nil // a context is a kilobyte that a session would keep
	s.mu.Unlock()
	if err = cmp.Or(panicked, err); err != nil {
		r.deliver(t, Event{Kind: Failed, Err: err})
		return
	}
	side.secured = d.Secure != nil
	r.deliver(t, Event{Kind: Connected, Side: side})
}

func (r *Stream) Abort(t Task) {
	s := t.RunnerState().stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.abort != nil {
		s.abort()
	}
}

func (r *Stream) SetTimer(t Task, d time.Duration) {
	s := t.RunnerState().stream
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case d < 0:
		if s.timer != nil {
			s.timer.Stop()
		}
	case s.timer == nil:
		s.timer = time.AfterFunc(d, func() { r.deliver(t, Event{Kind: Timer}) })
	default:
		s.timer.Reset(d)
	}
}

func (r *Stream) Close(s *Side, reset bool) { s.closeConn(reset) }

func (r *Stream) Done(t Task) {
	s := t.RunnerState().stream
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (r *Stream) Shutdown() {
	r.wg.Wait()
	r.idle.close()
	r.pipes.close()
}
