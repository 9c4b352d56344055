//go:build unix

package upgrade

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
)

// patience is how long a new process may take until it is ready: it reads its
// configuration, certificates too, and opens what is new in it.
const patience = 30 * time.Second

// Successor is the process that takes over from this one.
type Successor struct {
	line
	PID int
}

// Begin starts path with args, the first of which is its name, and env beside
// our own environment, and waits until it is ready. When it is not, it is
// gone again, the error says why, and nothing has changed here. The offer's
// files stay the caller's.
func Begin(path string, args, env []string, o Offer) (*Successor, error) {
	files, s := o.files()
	ours, theirs, err := pair()
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	cmd := exec.Command(path)
	cmd.Args = args
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(append(os.Environ(), env...), variable+"=3")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: o.Screen}
	cmd.ExtraFiles = append([]*os.File{theirs}, files...)
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	next := &Successor{newLine(ours), cmd.Process.Pid}
	if err := next.begin(o, s); err != nil {
		ours.Close()
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	cmd.Process.Release() // it outlives us
	return next, nil
}

func (s *Successor) begin(o Offer, what sockets) error {
	s.conn.SetDeadline(time.Now().Add(patience))
	defer s.conn.SetDeadline(time.Time{})
	var m message
	err := s.out.Encode(message{Offer: &o, Sockets: &what})
	if err == nil {
		err = s.in.Decode(&m)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("upgrade: the new process was not ready after %s", patience)
	case err != nil:
		return errors.New("upgrade: the new process has ended before it was ready; its log may say why")
	case m.Failed != "":
		return fmt.Errorf("upgrade: the new process: %s", m.Failed)
	case !m.Ready:
		return errOdd
	}
	return nil
}

// Go tells it that we listen no more, and what we still have. Then it accepts.
func (s *Successor) Go(rest map[string]proxy.Rest) error {
	return s.out.Encode(message{Go: true, Rest: rest})
}

// Tell says what we have now.
func (s *Successor) Tell(rest map[string]proxy.Rest) error { return s.out.Encode(message{Rest: rest}) }

// Wait blocks until it has ended, or Close is called.
func (s *Successor) Wait() {
	var m message
	for s.in.Decode(&m) == nil {
	}
}

// Close says that nothing is left here.
func (s *Successor) Close() error { return s.conn.Close() }

// pair makes two ends, both of which Go's poller waits for.
func pair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock() // no child may get them by accident
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	unix.SetNonblock(fds[0], true)
	return os.NewFile(uintptr(fds[0]), "upgrade"), os.NewFile(uintptr(fds[1]), "upgrade"), nil
}
