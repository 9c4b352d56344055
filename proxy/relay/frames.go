package relay

// Frames is a framing protocol of clients, such as WebSocket, for a side of a loop: the
// loop reads and writes the socket, and Frames parses and makes frames in the loop's
// buffers. Framed is the same for the stream runner. Before Attach and after Detach, the
// connection reads and writes the socket itself.
//
// All methods except AppendHeader are called on the loop's thread, and none may block.
type Frames interface {
	// Attach attaches Frames to a loop: until Detach nothing else reads or writes the
	// connection.
	Attach(FramesHost)
	// Detach returns the connection to its own reading and writing. unsent must be sent
	// before anything else: the rest of what Frame and AppendControl returned, and frames
	// with headers of AppendHeader. It is valid during the call only.
	Detach(unsent []byte)
	// Early copies bytes that were read before Attach into b and returns their payload as
	// Unframe does; more reports whether there may be more of them.
	Early(b []byte) (payload []byte, more bool, err error)
	// Unframe returns the payload in b, the next bytes that were read, as a part of b.
	// An error, which may come with payload before it, ends the side: io.EOF for the
	// peer's close frame, others as for Framed.WriteTo.
	Unframe(b []byte) (payload []byte, err error)
	// Ended returns the error of a side whose socket ended by io.EOF or by the error of
	// a read.
	Ended(by error) error
	// Frame makes frames of b[FrameRoom:FrameRoom+n] in place, and returns the part of b
	// to send now; empty: nothing yet. After an error nothing more can be sent.
	Frame(b []byte, n int) (frames []byte, err error)
	// CanSplice reports whether payload goes into frames unchanged, so that the loop can
	// send a header of AppendHeader followed by spliced data. It is called once, after
	// Attach.
	CanSplice() bool
	// AppendHeader appends the header of a frame of n bytes, which the caller sends after
	// it; n is at most that of Frame. It may be called on another thread, but not at the
	// same time as Frame or a method that makes control frames. Errors are as for Frame.
	AppendHeader(b []byte, n int) (header []byte, err error)
	// HasControl reports whether AppendControl has something to send.
	HasControl() bool
	// AppendControl appends control frames, at most 16 KiB, to send between those of
	// Frame. last reports whether the stream must end after them.
	AppendControl(b []byte) (frames []byte, last bool)
	// CloseWrite queues a close frame because the other side has ended, CloseGoing because
	// the session is to end (see Quiet).
	CloseWrite() error
	CloseGoing() error
}

// FrameRoom is the number of bytes before a payload that are reserved for its frame.
const FrameRoom = 16

// FramesHost is the interface of a loop for its Frames.
type FramesHost interface {
	// Wake makes the loop send what HasControl reports. It may be called by any
	// goroutine.
	Wake()
	// Blocked reports whether data from the client waits for the other side to take it,
	// and whether frames wait for the client to. Call it on the loop's thread only.
	Blocked() (in, out bool)
}

// framed is the state of a raw side that speaks in frames.
type framed struct {
	Frames
	side    *Side
	early   bool  // Early may return more
	shut    bool  // a close frame was requested
	ends    bool  // its stream ends after what is being sent
	splices bool  // CanSplice
	read    int64 // bytes of its socket, from Relay on
	payload int32 // bytes of payload in what is being sent
	panic   error // of Frames, which ends the side
}

// Frame makes a raw side use frames, from Relay on.
func (s *Side) Frame(f Frames) { s.more().framed = &framed{Frames: f, side: s} }

// isFramed reports whether the side is raw and speaks in frames.
func (s *Side) isFramed() bool { return s.connSide != nil && s.framed != nil }
