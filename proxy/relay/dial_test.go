package relay_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

func TestADialThatIsRefused(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		b.Close()
		h := open(t, r, "tcp", b.addr())
		h.come()
		var op *net.OpError
		if s := next(t, h.over); !errors.Is(s.failed, syscall.ECONNREFUSED) || !errors.As(s.failed, &op) || op.Op != "dial" {
			t.Errorf("it failed with %v", s.failed)
		}
	})
}

func TestADialThatTakesTooLong(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", proxytest.Full(t), func(h *harness) { h.dial.Timeout = 50 * time.Millisecond })
		h.come()
		var timeout net.Error
		if s := next(t, h.over); !errors.As(s.failed, &timeout) || !timeout.Timeout() {
			t.Errorf("it failed with %v", s.failed)
		}
	})
}

func TestAnAbortedDialReportsOnce(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", proxytest.Full(t))
		h.come()
		s := next(t, h.begun)
		pause(20)
		s.signal(func(s *session) {
			r.Abort(s)
			r.Abort(s)
		})
		if s := next(t, h.over); !errors.Is(s.failed, context.Canceled) && !errors.Is(s.failed, net.ErrClosed) && s.failed.Error() == "" {
			t.Errorf("it failed with %v", s.failed)
		}
	})
}

// TestAPanicInSecure is the error of its dial, and the connection is closed.
func TestAPanicInSecure(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t)
		h := open(t, r, "tcp", b.addr(), func(h *harness) {
			h.dial.Secure = func(context.Context, net.Conn) (net.Conn, error) { panic("injected") }
		})
		h.come()
		var panicked *relay.PanicError
		if s := next(t, h.over); !errors.As(s.failed, &panicked) || panicked.Value != "injected" {
			t.Errorf("it failed with %v", s.failed)
		}
		server := b.take()
		server.SetReadDeadline(time.Now().Add(patience))
		if _, err := server.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
			t.Errorf("the server reads %v", err)
		}
	})
}

// TestANameIsResolved, and all its addresses are tried: only one of localhost's has a
// listener.
func TestANameIsResolved(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		b := newBackend(t).echo()
		_, port, _ := net.SplitHostPort(b.addr())
		h := open(t, r, "tcp", net.JoinHostPort("localhost", port))
		c := h.come()
		say(t, c, "hello")
		hear(t, c, "hello")
		s := next(t, h.live)
		if got := s.backend.Remote().String(); got != b.addr() {
			t.Errorf("the backend is %s, not %s", got, b.addr())
		}
		c.Close()
		next(t, h.over)
	})
}

func TestAnInvalidName(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		h := open(t, r, "tcp", "no-such-name.invalid:80", func(h *harness) { h.dial.Timeout = 5 * time.Second })
		h.come()
		if s := next(t, h.over); s.failed == nil {
			t.Error("it did not fail")
		}
	})
}

func TestUnixSocketsOnBothSides(t *testing.T) {
	eachRunner(t, func(t *testing.T, r relay.Runner) {
		dir := t.TempDir()
		front, back := filepath.Join(dir, "f"), filepath.Join(dir, "b")
		ln, err := net.Listen("unix", back)
		if err != nil {
			t.Fatal(err)
		}
		b := (&backend{t, ln}).echo()
		h := open(t, r, "unix", b.Addr().String(), func(h *harness) {
			h.l.Close()
			if h.l, err = relay.Listen("unix:"+front, relay.Sock{}); err != nil {
				t.Fatal(err)
			}
		})
		c, err := net.Dial("unix", front)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		big := make([]byte, 1<<20)
		go c.Write(big)
		hear(t, c, string(big))
		s := next(t, h.live)
		if s.client.Name() != "unix:"+front || s.backend.Name() != "unix:"+back || s.client.Remote().IsValid() {
			t.Errorf("from %s to %s", s.client.Name(), s.backend.Name())
		}
		c.(*net.UnixConn).CloseWrite()
		hearEnd(t, c)
		if s := next(t, h.over); s.ends[0].End != relay.FIN {
			t.Errorf("it ended with %+v", s.ends)
		}
		h.l.Close()
		if _, err := net.Dial("unix", front); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("after the listener was closed: %v", err)
		}
	})
}

// lateTask ends while its dial completes.
type lateTask struct {
	t     *testing.T
	run   *relay.Stream
	state relay.RunnerState
	made  net.Conn
	may   chan struct{}
}

func (l *lateTask) RunnerState() *relay.RunnerState { return &l.state }

func (l *lateTask) Step(ev relay.Event) {
	switch ev.Kind {
	case relay.Begin:
		l.run.Dial(l, relay.Dial{Func: func(context.Context, string, string) (net.Conn, error) {
			<-l.may
			return l.made, nil
		}})
	case relay.Signal:
		close(l.may)
		within(l.t, "the connection waits for the task", func() bool { return relay.Queued(l) == 1 })
		l.run.Done(l)
	case relay.Connected:
		l.t.Error("stepped after its end")
	}
}

// TestAConnectionThatNobodyTakesIsClosed: its task ends in the step for which it waits.
func TestAConnectionThatNobodyTakesIsClosed(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	l := &lateTask{t: t, run: new(relay.Stream), made: ours, may: make(chan struct{})}
	l.run.Begin(l, nil)
	l.run.Post(l, relay.Event{Kind: relay.Signal})
	l.run.Shutdown()
	theirs.SetReadDeadline(time.Now().Add(patience))
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("its peer reads %v, not the end", err)
	}
}
