package relay

// Frames is a client's protocol of frames, such as WebSocket, for a side that a loop
// carries: the loop reads and writes the socket, Frames parses and makes what is in
// the loop's buffers. Framed is the same for the stream runner. Before Attach and
// behind Detach the connection does its own reading and writing.
//
// All methods but AppendHeader are called on the thread of the loop, and none may wait.
type Frames interface {
	// Attach begins: until Detach nothing else reads or writes the connection.
	Attach(FramesHost)
	// Detach ends it, and the connection goes on by itself. unsent is what has to be
	// sent before anything else: the rest of what Frame or AppendControl has returned, and
	// frames of AppendHeader's.
	// It is valid during the call only.
	Detach(unsent []byte)
	// Early is Unframe of bytes that were read before Attach, and that it puts into b;
	// more says that there may be more of them.
	Early(b []byte) (payload []byte, more bool, err error)
	// Unframe takes the payload out of b, the next bytes that were read: a part of b.
	// With an error, which may come with payload before it, the side has ended: io.EOF is
	// for the peer's close frame, others are those of Framed.WriteTo.
	Unframe(b []byte) (payload []byte, err error)
	// Ended is the error of a side whose socket has ended so: by io.EOF, or by an
	// error of a read.
	Ended(by error) error
	// Frame makes frames of b[FrameRoom:FrameRoom+n] in place, of which it gives what is
	// to be sent now: a part of b; empty: nothing yet. An error says that nothing can be
	// sent any more.
	Frame(b []byte, n int) (frames []byte, err error)
	// CanSplice reports whether payload goes into frames as it is, so that the loop can
	// send AppendHeader's and behind it bytes that it never sees. It is asked once, behind
	// Attach.
	CanSplice() bool
	// AppendHeader appends the header of a frame of n bytes, which the caller sends behind
	// it: at most as many as Frame is given. It may be called on another thread, but not
	// beside Frame or a method that makes control frames. An error is that of Frame.
	AppendHeader(b []byte, n int) (header []byte, err error)
	// HasControl reports whether AppendControl has something to send.
	HasControl() bool
	// AppendControl appends frames of its own, which go between those of Frame: 16 KiB at
	// most. last says that the stream is to end behind them.
	AppendControl(b []byte) (frames []byte, last bool)
	// CloseWrite queues a close frame, since the other side has ended; CloseGoing, since
	// it is to end (see Quiet).
	CloseWrite() error
	CloseGoing() error
}

// FrameRoom is the number of bytes before a payload that are reserved for its frame.
const FrameRoom = 16

// FramesHost is what Frames know of the loop.
type FramesHost interface {
	// Wake has the loop send what HasControl reports. It may be called by any
	// goroutine.
	Wake()
	// Blocked reports whether bytes of the client wait for the other side to take
	// them, and whether frames wait for the client to. On the thread of the loop.
	Blocked() (in, out bool)
}

// framed is what a raw side has whose protocol is one of frames.
type framed struct {
	Frames
	side    *Side
	early   bool  // Early may have more
	shut    bool  // its close frame was asked for
	ends    bool  // its stream is to end behind what it is sent now
	splices bool  // CanSplice
	read    int64 // bytes of its socket, from Relay on
	payload int32 // how many bytes of payload what it is sent now has
	panic   error // of Frames, which ends the side
}

// Frame makes a raw side use frames, from Relay on.
func (s *Side) Frame(f Frames) { s.more().framed = &framed{Frames: f, side: s} }

// isFramed reports whether the side is raw and speaks in frames.
func (s *Side) isFramed() bool { return s.connSide != nil && s.framed != nil }
