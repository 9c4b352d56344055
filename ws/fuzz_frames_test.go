package ws

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// loopScript is a script in the role of a loop's connection: what the Conn writes is kept.
type loopScript struct {
	script
	wrote bytes.Buffer
}

func (s *loopScript) Post(f func())                       { f() }
func (s *loopScript) Control(func(uintptr)) error         { return net.ErrClosed }
func (s *loopScript) Write(p []byte) (int, error)         { return s.wrote.Write(p) }
func (s *loopScript) WriteNow(p []byte) (int, error)      { return s.wrote.Write(p) }
func (s *loopScript) Blocked() (in, out bool)             { return false, false }
func (s *loopScript) Wake()                               {}
func (s *loopScript) SetReadDeadline(by time.Time) error  { return nil }
func (s *loopScript) SetWriteDeadline(by time.Time) error { return nil }

// frameInput are seeds of FuzzFrames: what a client may send.
var frameInput = []string{
	"\x82\x83\x00\x00\x00\x00abc\x82\x82\x01\x02\x03\x04de\x88\x82\x00\x00\x00\x00\x03\xe8",
	"\x01\x81\x00\x00\x00\x00\xc3\x89\x83\x05\x06\x07\x08abc\x80\x81\x00\x00\x00\x00\xa9",
	"\x82\xfe\x00\x7e\x00\x00\x00\x00" + string(make([]byte, 126)) + "\x8a\x80\x00\x00\x00\x00\x82\x01x",
	"\x81\x82\x00\x00\x00\x00\xc3\x28",
	"\x82\x84\x00\x00\x00\x00ab",
	"",
}

// A Conn in a loop returns the same payload as WriteTo, however its bytes are split,
// has the same end, and answers with the same frames.
func FuzzFrames(f *testing.F) {
	for _, s := range frameInput {
		for _, split := range []uint8{0, 1, 2, 200} {
			f.Add([]byte(s), split, split)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, split, early uint8) {
		set := &settings{closeTimeout: time.Hour}
		agreed := negotiated{encoding: Binary}
		one := &loopScript{script: script{bytes.Clone(in), int(split) + 1}}
		c := newConn(one, nil, false, agreed, set)
		var want bytes.Buffer
		_, wantErr := c.WriteTo(&want)
		wantEnd := c.CloseError()
		c.CloseNow()

		other := &loopScript{}
		begin := in[:min(len(in), int(early))]
		d := newConn(other, bytes.Clone(begin), false, agreed, set)
		defer d.CloseNow()
		got, sent, err := inLoop(d, other, in[len(begin):], int(split)/2+1)
		if err == io.EOF {
			err = nil
		}
		// Of invalid UTF-8, either may have passed on more before it found the fault.
		n := min(len(got), want.Len())
		if !bytes.Equal(got[:n], want.Bytes()[:n]) || len(got) != want.Len() && (wantEnd == nil || wantEnd.Code != InvalidPayload) {
			t.Fatalf("payload %q, and in a loop %q", want.Bytes(), got)
		}
		if !sameEnd(err, wantErr) || !sameEnd(d.CloseError(), wantEnd) {
			t.Fatalf("it ends with %v (%v), and in a loop with %v (%v)", wantErr, wantEnd, err, d.CloseError())
		}
		if !bytes.Equal(sent, one.wrote.Bytes()) {
			t.Fatalf("it answers %q, and in a loop %q", one.wrote.Bytes(), sent)
		}
	})
}

// inLoop handles bytes that arrive in parts as a loop does, and then the end of the stream.
func inLoop(c *Conn, host FramesHost, in []byte, split int) (payload, sent []byte, err error) {
	f := c.Frames()
	f.Attach(host)
	defer f.Detach(nil)
	buf := make([]byte, blockSize)
	take := func(p []byte) {
		payload = append(payload, p...)
		if f.HasControl() {
			sent, _ = f.AppendControl(sent)
		}
	}
	for more := true; more && err == nil; {
		var p []byte
		p, more, err = f.Early(buf[:split])
		take(p)
	}
	for len(in) > 0 && err == nil {
		var p []byte
		n := copy(buf, in[:min(split, len(in))])
		in = in[n:]
		p, err = f.Unframe(buf[:n])
		take(p)
	}
	if err == nil {
		err = f.Ended(io.EOF)
		take(nil)
	}
	return payload, sent, err
}

// sameEnd compares errors by what a program can distinguish.
func sameEnd(a, b error) bool {
	var x, y *CloseError
	if !errors.As(a, &x) || !errors.As(b, &y) || x == nil || y == nil {
		return errors.Is(a, b) || a == nil && b == nil || x == nil && y == nil
	}
	return x.Code == y.Code && x.Reason == y.Reason && x.ByPeer == y.ByPeer && errors.Is(x.Err, y.Err)
}

// FuzzFrame: what a loop sends of a stream, however it is split, is what Write sends:
// valid frames of the same bytes, or the same end.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{"abc", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "a\xffb", "\xc3", string(make([]byte, 300))} {
		f.Add([]byte(s), uint8(0), true)
		f.Add([]byte(s), uint8(2), true)
		f.Add([]byte(s), uint8(255), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, split uint8, text bool) {
		agreed := negotiated{encoding: Binary}
		if text {
			agreed.encoding = Text
		}
		set := &settings{closeTimeout: time.Hour}
		one, other := &loopScript{}, &loopScript{}
		c, d := newConn(one, nil, false, agreed, set), newConn(other, nil, false, agreed, set)
		defer c.CloseNow()
		defer d.CloseNow()
		frames := d.Frames()
		frames.Attach(other)
		var sent []byte
		var err, wantErr error
		for rest := in; len(rest) > 0 && err == nil && wantErr == nil; {
			part := rest[:min(int(split)+1, len(rest))]
			rest = rest[len(part):]
			_, wantErr = c.Write(part)
			buf := make([]byte, FrameHeadroom+len(part)+8)
			copy(buf[FrameHeadroom:], part)
			var p []byte
			if frames.CanSplice() && len(rest)%2 == 0 {
				p, err = frames.AppendHeader(nil, len(part))
				p = append(p, part...)
			} else {
				p, err = frames.Frame(buf, len(part))
			}
			sent = append(sent, p...)
			if frames.HasControl() {
				sent, _ = frames.AppendControl(sent)
			}
		}
		if !sameEnd(err, wantErr) || !bytes.Equal(sent, one.wrote.Bytes()) || c.BytesWritten() != d.BytesWritten() {
			t.Fatalf("Write sends %q (%d bytes, %v), and in a loop it is %q (%d, %v)", one.wrote.Bytes(), c.BytesWritten(), wantErr, sent, d.BytesWritten(), err)
		}
		frames.Detach(nil)
	})
}
