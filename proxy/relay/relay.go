// Package relay waits and copies data for sessions.
//
// A session is a Task: a small state machine that is stepped with one Event after
// another and never blocks. A Runner does all that takes time (dialling, watching
// a waiting client, relaying) and steps the task for each event, never two steps
// at a time. There are two runners, and a task does not know which one it has:
// Stream is portable, with goroutines over net.Conn; Loop is for Linux, with event
// loops over raw descriptors.
package relay

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Task is a state machine that a runner steps. RunnerState must return the same
// value each time: a field of the task.
type Task interface {
	Step(Event)
	RunnerState() *RunnerState
}

// Observer is a Task that sees the data of the sides on which it calls
// Side.Observe.
type Observer interface {
	Task
	// Carried is called with data that was read from a side before it is passed on,
	// by one goroutine per side. It must not keep or modify b.
	Carried(s *Side, b []byte)
}

// RunnerState is what a runner keeps in a task. The zero value is ready to
// use; it must not be copied.
type RunnerState struct {
	stream *streamTask
	loop   loopTask
}

// Kind is the kind of an Event.
type Kind uint8

const (
	Begin         Kind = iota // the task, or a stage of it, begins
	HandshakeDone             // the function of Do has returned
	Granted                   // the queue has admitted the task
	PeerClosed                // a watched client ended or reset its side; see End
	Connected                 // the dial succeeded; Side is the backend's, and the task owns it
	Failed                    // the dial failed; see Err
	Ended                     // Side ended while relaying; see End and Last
	Timer                     // the timer of SetTimer fired
	Signal                    // another part of the program posted Arg
)

// End is how a side ended.
type End uint8

const (
	Open    End = iota
	FIN         // by a FIN; all its data was delivered
	HalfFIN     // of a watched client: a FIN after data that is still unread
	Reset       // by a reset, or an equivalent error
	Closed      // by Runner.Close
	// Gone: the side was open, but its peer ended and then reset the connection, so
	// that data from the side no longer arrives. All data to the side was delivered;
	// the task must reset it.
	Gone
	Quiet // by EndQuiet; the side itself has not ended
)

func (e End) String() string {
	return [...]string{"open", "fin", "half-fin", "reset", "closed", "gone", "quiet"}[e]
}

// Event is the argument of Task.Step.
type Event struct {
	Kind Kind
	End  End
	Last bool // Ended: the other direction has ended, too
	Side *Side
	Err  error // for Ended and PeerClosed: a *PanicError or nil
	Arg  any
}

// Dial is what to connect to, and how.
type Dial struct {
	Network string        // tcp or unix
	Addr    string        // host:port, or a path
	Timeout time.Duration // for all addresses of a name together; 0: no limit
	Sock    Sock
	// Source are local addresses to connect from. Those of the backend's family are
	// tried in turn, starting with Source[SourceOffset%len]; without one the system
	// chooses.
	Source       []netip.Addr
	SourceOffset uint32
	// Quiet holds back the last ACK of the handshake, for a check that resets
	// the connection at once: see HasQuiet. Only for Connect.
	Quiet bool
	// Secure, if set, is called with the new connection and returns the one to use
	// over it, such as TLS. It is part of the dial: it shares the timeout, and its
	// error is the dial's. After an error, the connection is closed. The loop runner
	// passes a connection that only TLSClient can make a side of the loop; if the
	// side is OnStream afterwards, the task must be moved.
	Secure func(context.Context, net.Conn) (net.Conn, error)
	// Func, if set, dials in place of net.Dialer, for example through a mesh. Only
	// the stream runner can use it.
	Func func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Runner waits and copies data for tasks. All methods except Post, Begin and Serve
// must be called within the task's own Step. None of them blocks, and only Begin
// steps the task before it returns.
type Runner interface {
	// Name returns the runner's name for SessionInfo: stream or loop.
	Name() string
	// Serve accepts from l until l is closed, and calls accept with the side of each
	// new client, one at a time and in the order of arrival. It returns at once; the
	// listener's Close waits for the goroutines of Serve.
	Serve(l *Listener, accept func(*Side))
	// Begin steps a new task for the first time. Call it within the accept that got
	// its client, in the same goroutine, so that tasks join a queue in order.
	Begin(t Task, client *Side)
	// Post steps the task with an event. It is the only method for other goroutines.
	Post(Task, Event)
	// Do calls a function that may block in a goroutine, and steps the task with the
	// event that it returns.
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
	// EndQuiet ends the direction from a relaying side as a FIN from the side would,
	// if both directions have carried no data for that long and no data is pending:
	// unread or unacknowledged in a socket, or in a buffer or pipe of the runner. The
	// task is then stepped with Ended and Quiet; otherwise nothing happens, and
	// EndQuiet may be called again. Data that arrives at the same moment is not lost;
	// data from the other side continues to arrive. Unsent data in a socket is known
	// on Linux only; without sockets, as over a Dial's Func, no direction ends so.
	EndQuiet(t Task, s *Side, after time.Duration)
	// SetTimer steps the task with Timer once, d from now. A later call
	// replaces an earlier one; a negative d stops the timer.
	SetTimer(Task, time.Duration)
	// Close closes a side, with a reset if asked. While relaying, the
	// task gets Ended for each side once no more bytes are counted.
	Close(side *Side, reset bool)
	// Done ends the task: it takes no more events.
	Done(Task)
	// Shutdown waits for all goroutines of the runner; every task must have been
	// signalled to end before.
	Shutdown()
}
