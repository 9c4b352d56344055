package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
)

// Predecessor is the process that this one takes over from.
type Predecessor struct {
	*link
	Offer Offer

	phase    phase
	done     chan struct{}
	end      sync.Once
	settle   chan struct{} // closed: settle at once
	hurry    sync.Once
	released chan struct{} // closed: everything is ours
}

// Take finds the process that this one is to take over from; nil: none. It is to be
// called once, before the process runs others.
func Take() (*Predecessor, error) {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(variable)
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("upgrade: %s=%q is no descriptor; tcpctl sets it itself; unset it", variable, text)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("upgrade: %s=%s: %w; tcpctl sets it itself; unset it", variable, text, err)
	}
	p := &Predecessor{link: newLink(os.NewFile(uintptr(fd), "upgrade")), done: make(chan struct{}),
		settle: make(chan struct{}), released: make(chan struct{})}
	p.conn.SetReadDeadline(time.Now().Add(openWithin))
	var m message
	in := json.NewDecoder(p.conn)
	if err := in.Decode(&m); err != nil || m.Offer == nil || m.Sockets == nil {
		p.conn.Close()
		return nil, errUnexpected
	}
	p.conn.SetReadDeadline(time.Time{})
	p.Offer = *m.Offer
	p.Offer.fill(*m.Sockets, func(name string) *os.File {
		fd++
		unix.CloseOnExec(fd)
		return os.NewFile(uintptr(fd), name)
	})
	go p.receive(p.done)
	Observe(false, "offered")
	return p, nil
}

// Ready says that everything is open, and waits until the other accepts no
// more, or has died. It returns that one's last state. A signal from stop ends
// the wait.
func (p *Predecessor) Ready(stop <-chan os.Signal) (State, error) {
	p.phase, _ = p.phase.asSuccessor(isReady)
	p.say(message{Ready: true, PID: os.Getpid()}, acceptWithin) // if the other has died, that is noticed below
	Observe(false, "ready")
	state, why := p.Offer.State, errUnexpected
	e := hasFailed
	select {
	case m, ok := <-p.received:
		switch {
		case !ok:
			e = hasDied
		case m.Go != nil:
			e, state = mayGo, *m.Go
		}
	case <-time.After(openWithin):
		e, why = isLate, errors.New("upgrade: the old process does not respond; stop it, then start this one")
	case sig := <-stop:
		e, why = isStopped, fmt.Errorf("upgrade: stopped by %s before it took over", sig)
	}
	if p.phase, _ = p.phase.asSuccessor(e); p.phase == failed {
		return state, why
	}
	Observe(false, "go")
	return state, nil
}

// Count sends the counters to the other, as long as it could take everything
// back and has read all messages.
func (p *Predecessor) Count(now func() proxy.Remaining) {
	select {
	case <-p.released:
		return
	default:
	}
	rc, err := p.conn.SyscallConn()
	if err != nil {
		return
	}
	unread := 0
	rc.Control(func(fd uintptr) { unread, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err == nil && unread == 0 {
		counted := now()
		p.say(message{Counted: &counted}, acceptWithin)
	}
}

// Accepting says that this process accepts, and returns once everything is its
// own: in a second, or as soon as Settle is called. Until then it sends the
// counters to the other again and again. It reports false when this process is
// to end.
func (p *Predecessor) Accepting(counted func() proxy.Remaining) (goOn bool) {
	defer p.Close()
	defer close(p.released)
	p.say(message{Accepting: true}, acceptWithin)
	Observe(false, "accepting")
	late := time.NewTimer(settleAfter)
	defer late.Stop()
	tick := time.NewTicker(settleAfter / 20)
	defer tick.Stop()
	settle := p.settle
	for p.phase != released {
		var e event
		select {
		case m, ok := <-p.received:
			if e = hasDied; ok {
				e = m.event()
			}
		case <-late.C:
			if e = isLate; p.phase == accepting {
				e = isSettled
			}
		case <-settle:
			e, settle = isSettled, nil
		case <-tick.C:
			if p.phase == accepting {
				p.Count(counted)
			}
			continue
		}
		var acts []act
		p.phase, acts = p.phase.asSuccessor(e)
		switch {
		case slices.Contains(acts, saySettled):
			p.Count(counted)
			p.say(message{Settled: true}, acceptWithin)
			late.Reset(releaseWithin)
		case slices.Contains(acts, stop):
			return false
		}
	}
	return true
}

// Settle ends the time in which the other could take everything back, and
// returns when it cannot, or when ctx ends. It is for acts that could not be
// taken back, like a reload.
func (p *Predecessor) Settle(ctx context.Context) {
	p.hurry.Do(func() { close(p.settle) })
	select {
	case <-p.released:
	case <-ctx.Done():
	}
}

// Released is closed once this process owns everything.
func (p *Predecessor) Released() <-chan struct{} { return p.released }

// Fail sends the reason why this process cannot take over, and closes the link.
func (p *Predecessor) Fail(why error) {
	p.say(message{Failed: why.Error()}, acceptWithin) // an error means that the other has ended
	p.Close()
}

// Close ends the link.
func (p *Predecessor) Close() error {
	p.end.Do(func() {
		close(p.done)
		p.conn.Close()
		for range p.received {
		}
	})
	return nil
}
