// Package relay does a session's waiting and moves its bytes.
//
// A session is a Task: a small state machine that is stepped with one Event
// after another and never blocks. A Runner does all that takes time (dialling,
// watching a waiting client, relaying) and steps the task on a thread of its own
// for each event, never two steps at once. There are two runners, and a task does
// not know which one it has: Stream is portable, with goroutines over net.Conn;
// Loop is for Linux, with event loops over raw descriptors.
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

// Observer is a Task that is shown the bytes of sides that it observes.
type Observer interface {
	Task
	// Carried is called with the next bytes that were read of a side, before they
	// are passed on, by one goroutine for each side. It must not keep or change
	// them.
	Carried(s *Side, b []byte)
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
	Reset       // by a reset, or by an error that means the same
	Closed      // by our own Close
	// Gone: the side was open, but its peer had ended and then reset the
	// connection, so that nothing the side sends arrives any more. What the side
	// was sent is delivered; the task is to reset it.
	Gone
	Quiet // by EndQuiet; the side itself has not ended
)

func (e End) String() string {
	return [...]string{"open", "fin", "half-fin", "reset", "closed", "gone", "quiet"}[e]
}

// Event is what a task is stepped with.
type Event struct {
	Kind Kind
	End  End
	Last bool // Ended: the other direction has ended, too
	Side *Side
	Err  error // of an Ended or a PeerClosed: a *PanicError, or nil
	Arg  any
}

// Dial says what to connect to, and how.
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
	// Quiet holds back the last ACK of the handshake, for a check that resets
	// the connection at once: see HasQuiet. Only for Connect.
	Quiet bool
	// Secure, when set, is called with a connection that was made, and gives the
	// one to use over it, such as TLS. It is a part of the dial: within its
	// timeout, and its errors are the dial's. After one the connection is closed.
	// The loop runner calls it with a connection that is good for nothing else:
	// TLSClient is what it can carry then. Of a side that is OnStream behind that,
	// the task has to be moved.
	Secure func(context.Context, net.Conn) (net.Conn, error)
	// Func, when set, makes the connection instead, for example through a
	// mesh. Only the stream runner can use it.
	Func func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Runner does a task's waiting. All methods but Post, Begin and Serve are
// called from within the task's own Step. None of them blocks or steps inline,
// but for Begin.
type Runner interface {
	// Name is the runner's name in a session's Info: stream or loop.
	Name() string
	// Serve accepts from l until it is closed, and calls accept with each
	// new client's side, one at a time and in the order of arrival. It returns
	// at once; the listener's Close waits for what Serve started.
	Serve(l *Listener, accept func(*Side))
	// Begin steps a new task for the first time, within the accept that was
	// given its client and in that goroutine, so that tasks begun one after
	// another join a queue in that order.
	Begin(t Task, client *Side)
	// Post is the only way in from other threads.
	Post(Task, Event)
	// Do runs what may block on a goroutine and steps the task with its event.
	Do(Task, func() Event)
	// Watch watches for the end of a waiting client without taking a byte. It
	// steps the task with PeerClosed at each change, until Relay or Close.
	Watch(Task, *Side)
	// Dial connects, and steps the task with Connected or Failed.
	Dial(Task, Dial)
	// Abort ends the dial in progress; its one event still comes.
	Abort(Task)
	// Relay copies bytes both ways, passes each end of stream on once all bytes
	// before it are delivered, and steps the task with Ended for each side.
	Relay(t Task, client, backend *Side)
	// EndQuiet ends the direction of a side that relays as a FIN of the side
	// would, if both directions have carried nothing for that long, and nothing
	// is under way in either: unread or not acknowledged in a socket, or in a
	// buffer or pipe of the runner. The task gets Ended with Quiet then, and
	// else nothing: the side goes on, and it may be asked again. Bytes that
	// arrive in the same moment are not lost: what the other side sends goes on
	// to arrive. What a socket has not sent is known on Linux only; without
	// sockets, as over a Dial's Func, no direction ends so.
	EndQuiet(t Task, s *Side, after time.Duration)
	// SetTimer steps the task with Timer once, d from now. A later call
	// replaces an earlier one; a negative d stops the timer.
	SetTimer(Task, time.Duration)
	// Close closes a side, with a reset if asked. While relaying, the
	// task gets Ended for each side once no more bytes are counted.
	Close(side *Side, reset bool)
	// Done says that the task takes no more events.
	Done(Task)
	// Shutdown waits for all that the runner has started; every task must
	// have been signalled to end before.
	Shutdown()
}
