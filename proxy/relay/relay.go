// Package relay does a session's waiting and moves its bytes.
//
// A session is a Task: a small state machine that is stepped with one Event
// after another and never blocks. A Runner does all that takes time (a dial, a
// watch over a waiting client, the relaying itself) and steps the task on a
// thread of its own when there is news, never two steps at once. There are two
// runners, and a task does not know which it has: Stream, portable, with
// goroutines over net.Conn, and Loop, on Linux, with event loops over raw
// descriptors.
package relay

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Task is what a runner steps. RunnerState returns the same value each time:
// a field of the task.
type Task interface {
	Step(Event)
	RunnerState() *RunnerState
}

// RunnerState is what a runner keeps in a task. The zero value is ready to
// use; it must not be copied.
type RunnerState struct {
	stream *streamTask
	loop   loopTask
}

// Kind says what happened.
type Kind uint8

const (
	Begin         Kind = iota // the task begins, or a stage of it does
	HandshakeDone             // the function given to Do has returned
	Granted                   // the queue has admitted the task
	PeerClosed                // a watched client has ended or reset its side: see End
	Connected                 // Side is the backend's; the task owns it now
	Failed                    // the dial failed: see Err
	Ended                     // Side has ended while relaying: see End and Last
	Timer                     // the time given to SetTimer has come
	Signal                    // another part of the program posted it: see Arg
)

// End says how a side ended.
type End uint8

const (
	Open    End = iota
	FIN         // cleanly; all that it sent has been delivered
	HalfFIN     // of a watched client: an end of stream behind bytes it has sent
	Reset       // by a reset, or by an error that amounts to one
	Closed      // by our own Close
	// Gone is a side's that was still open: what it sends goes nowhere, as the
	// other side had ended, and has answered what it was sent with a reset
	// since. The side is to be reset; what it was sent has been delivered.
	Gone
)

func (e End) String() string {
	return [...]string{"open", "fin", "half-fin", "reset", "closed", "gone"}[e]
}

// Event is one piece of news for a task.
type Event struct {
	Kind Kind
	End  End
	Last bool // Ended: nothing flows any more, in either direction
	Side *Side
	Err  error // of an Ended: a *PanicError, or nil
	Arg  any
}

// Dial says where to and how.
type Dial struct {
	Network string        // tcp or unix
	Addr    string        // host:port, or a path
	Timeout time.Duration // for all addresses of a name together; 0: none
	Sock    Sock
	// Source are local addresses to connect from, those of the backend's
	// family one after another; empty, or none of that family: the system's
	// choice. The first one tried is Source[SourceOffset%len].
	Source       []netip.Addr
	SourceOffset uint32
	// Quiet makes a connection that is only to show that there is somebody,
	// and is reset at once: see HasQuiet. Only for Connect.
	Quiet bool
	// Func, when set, makes the connection instead, for example through a
	// mesh. Only the stream runner can use it.
	Func func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Runner does a task's waiting. All methods but Post, Begin and Serve are
// called from within the task's own Step. None of them blocks or steps inline,
// but for Begin.
type Runner interface {
	// Name is what a session's Info shows: stream or loop.
	Name() string
	// Serve accepts from l until it is closed, and gives each new client's
	// side to accept, one at a time and in the order of arrival. It returns
	// at once; the listener's Close waits for what it started.
	Serve(l *Listener, accept func(*Side))
	// Begin steps a new task for the first time, within the accept that was
	// given its client and in that goroutine, so that tasks begun one after
	// another join a queue in that order.
	Begin(t Task, client *Side)
	// Post is the only way in from other threads.
	Post(Task, Event)
	// Do runs what may block on a goroutine and steps the task with its event.
	Do(Task, func() Event)
	// Watch looks out for the end of a client that has to wait, without
	// taking a byte. It goes on, with PeerClosed at each change, until Relay or Close.
	Watch(Task, *Side)
	// Dial connects, and comes back as Connected or Failed.
	Dial(Task, Dial)
	// Abort gives up the dial under way; it still comes back, once.
	Abort(Task)
	// Relay moves bytes both ways, passes each end of stream on once all
	// before it has been delivered, and comes back as Ended for each side.
	Relay(t Task, client, backend *Side)
	// SetTimer steps the task with Timer once, d from now. A later call
	// replaces an earlier one; a negative d stops the timer.
	SetTimer(Task, time.Duration)
	// Close closes a side, with a reset if asked. While relaying, the sides
	// come back as Ended once no more bytes are counted.
	Close(side *Side, reset bool)
	// Done says that the task takes no more events.
	Done(Task)
	// Shutdown waits for all that the runner has started; every task must
	// have been told to end before.
	Shutdown()
}
