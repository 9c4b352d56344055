package upgrade

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// start starts the process. As much of the offer as fits into the socket is written before that, so
// that the process can continue alone from the beginning.
func (s *Successor) start(path string, args, env []string, o Offer) error {
	files, what := o.files()
	ours, theirs, err := pair()
	if err != nil {
		return err
	}
	s.link = newLink(ours)
	text, err := json.Marshal(message{Offer: &o, Sockets: &what})
	if err != nil {
		return err
	}
	n := writeNow(ours, text)
	s.cmd = exec.Command(path)
	s.cmd.Args = args
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	s.cmd.Env = append(append(os.Environ(), env...), variable+"=3")
	// Its own process group, so that it can be ended with its children.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: o.Screen, Setpgid: !o.Screen}
	s.cmd.ExtraFiles = append([]*os.File{theirs}, files...)
	err = s.cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return err
	}
	s.PID = s.cmd.Process.Pid
	go s.receive(s.done)
	s.mu.Lock()
	s.helpers.Go(func() {
		defer s.mu.Unlock()
		ours.SetWriteDeadline(time.Now().Add(s.duties.limits.open))
		ours.Write(text[n:]) // an error means that it does not read, and it will miss a deadline
	})
	if fd, err := unix.PidfdOpen(s.PID, unix.PIDFD_NONBLOCK); err == nil {
		s.pidfd = os.NewFile(uintptr(fd), "pidfd")
		s.helpers.Go(s.watch)
	}
	return nil
}

// writeNow writes what fits into a socket without waiting. A deadline could pass before the first
// byte on a busy machine.
func writeNow(f *os.File, text []byte) (n int) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	rc.Write(func(fd uintptr) bool {
		for n < len(text) {
			m, err := unix.Write(int(fd), text[n:])
			if err != nil && err != unix.EINTR {
				break
			}
			n += max(m, 0)
		}
		return true
	})
	return n
}

// watch waits for the end of the started process, as its children may hold the link open.
func (s *Successor) watch() {
	rc, err := s.pidfd.SyscallConn()
	if err != nil {
		return
	}
	err = rc.Read(func(fd uintptr) bool {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(ready, 0)
		return n > 0
	})
	if err == nil {
		close(s.exited)
	}
}

// goneWithin bounds the wait for the kernel to release a killed process's descriptors.
const goneWithin = 2 * time.Second

// kill ends the process and what it has started, and waits until only this process has our
// descriptors.
func (s *Successor) kill() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Kill() // it may not have its group yet
		s.cmd.Wait()
	}
	for late := time.After(goneWithin); ; {
		select {
		case m, ok := <-s.received:
			if !ok {
				return
			}
			if m.Counted != nil {
				s.counted = *m.Counted
			}
		case <-late:
			s.why = fmt.Errorf("%w; a process that it has started lives on and holds our sockets: ss -ltnp shows which", s.why)
			return
		}
	}
}

// pair makes a pair of sockets. Ours is in Go's poller.
func pair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fds[0], true)
	}
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "upgrade"), os.NewFile(uintptr(fds[1]), "upgrade"), nil
}
