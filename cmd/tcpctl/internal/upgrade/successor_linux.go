package upgrade

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Successor is the process that takes over from this one.
type Successor struct {
	*link
	PID     int
	duties  Duties
	phase   phase
	cmd     *exec.Cmd
	done    chan struct{}
	late    *time.Timer
	helpers sync.WaitGroup // goroutines that write the offer and watch the process
	pidfd   *os.File       // nil: not supported
	exited  chan struct{}  // closed: the started process has ended
	died    bool           // it ended with an error
	counted proxy.Remaining
	why     error // reason of the failure
}

// Begin starts path with args, the first of which is its name, and env beside
// our own environment, and returns once that process accepts clients; Settle
// must follow. On an error the new process has ended with all that it has
// started, and this one serves as before. The offer's files stay the caller's,
// which closes them after Settle.
func Begin(path string, args, env []string, o Offer, d Duties) (*Successor, error) {
	if d.limits == (limits{}) {
		d.limits = usual
	}
	s := &Successor{duties: d, done: make(chan struct{}), exited: make(chan struct{}), late: time.NewTimer(d.limits.open)}
	if err := s.start(path, args, env, o); err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	Observe(true, "offered")
	if s.drive(accepting); s.why != nil {
		s.end()
		return nil, s.why
	}
	return s, nil
}

// Settle returns once everything is the successor's, or it has failed and
// everything is as it was.
func (s *Successor) Settle() error {
	defer s.end()
	s.drive(released)
	return s.why
}

// drive runs until a phase or failed is reached.
func (s *Successor) drive(until phase) {
	for s.phase != until && s.phase != failed {
		e := s.next()
		var acts []act
		s.phase, acts = s.phase.asPredecessor(e)
		for _, a := range acts {
			s.do(a)
		}
	}
}

// next waits for the next event.
func (s *Successor) next() event {
	late, again, exited := s.late.C, false, s.exited
	var died <-chan time.Time
	for {
		select {
		case <-exited:
			// A script that started the new process may end successfully.
			exited = nil
			s.died = s.died || s.cmd.ProcessState == nil && s.cmd.Wait() != nil
			if s.died {
				died = time.After(s.duties.limits.again) // its last messages, and then its end, are still to be read
			}
		case <-died:
			s.fail(s.ended())
			return hasDied
		case m, ok := <-s.received:
			switch {
			case !ok:
				s.fail(s.ended())
				return hasDied
			case m.Counted != nil:
				s.counted = *m.Counted
				if s.phase == accepting {
					s.late.Reset(s.duties.limits.settle)
					late, again = s.late.C, false
				}
				continue
			case m.Failed != "":
				s.fail(fmt.Errorf("upgrade: the new process: %s", m.Failed))
			case m.PID != 0:
				s.PID = m.PID
			}
			return m.event()
		case <-late:
			if !again {
				// This process itself may have been suspended: messages may have arrived meanwhile.
				again, late = true, time.After(s.duties.limits.again)
				continue
			}
			s.fail(fmt.Errorf("upgrade: the new process did not respond in time (phase %s); its log may say why", s.phase))
			return isLate
		case <-s.duties.Stop:
			s.fail(ErrStopped)
			return isStopped
		}
	}
}

// before says, for an error, when a process ended.
var before = map[phase]string{offered: "before it was ready", started: "before it accepted clients", accepting: "soon after it had taken over"}

func (s *Successor) ended() error {
	return fmt.Errorf("upgrade: the new process has ended %s; its log may say why", before[s.phase])
}

// fail records the reason, if it is the first.
func (s *Successor) fail(why error) {
	s.why = cmp.Or(s.why, why)
}

func (s *Successor) do(a act) {
	switch a {
	case stopListening, sayGo:
		if a == sayGo {
			return // ends with the phase
		}
		Observe(true, "ready")
		state, err := s.duties.StopListening()
		if err == nil {
			err = s.say(message{Go: &state}, s.duties.limits.accept)
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
				err = s.ended() // it ended after it was ready
			}
		}
		if err != nil {
			s.fail(err)
			var acts []act
			s.phase, acts = s.phase.asPredecessor(hasFailed)
			for _, a := range acts {
				s.do(a)
			}
			return
		}
		s.late.Reset(s.duties.limits.accept)
		Observe(true, "go")
	case yield:
		s.late.Reset(s.duties.limits.settle)
		s.duties.Yield(s.PID)
		Observe(true, "accepting")
	case release:
		Observe(true, "settled")
		s.duties.Release(s.PID)
		Observe(true, "released")
		s.say(message{Released: true}, releaseWithin) // an error means that the other has ended
	case kill:
		s.fail(errUnexpected)
		s.kill()
	case resume:
		s.duties.Resume(s.counted)
	case sayStop:
		s.say(message{Stop: true}, time.Second)
	}
}

// end closes the link. It does not wait for a successor that serves.
func (s *Successor) end() {
	s.late.Stop()
	close(s.done)
	s.conn.Close()
	for range s.received {
	}
	if s.pidfd != nil {
		s.pidfd.Close()
	}
	s.helpers.Wait()
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Release()
	}
}
