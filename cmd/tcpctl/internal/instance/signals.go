package instance

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals are the signals that a running process handles. Close ends that.
type Signals struct {
	Stop    chan os.Signal // TERM, INT
	Hangup  chan os.Signal // HUP: reload, or with a console a lost terminal
	reopen  chan os.Signal // USR1: open the log files again
	upgrade chan os.Signal // USR2: let the binary that is installed now take over
	closed  chan struct{}
	once    sync.Once
}

// WatchSignals catches signals from now on.
func WatchSignals() *Signals {
	s := &Signals{Stop: make(chan os.Signal, 2), Hangup: make(chan os.Signal, 1), reopen: make(chan os.Signal, 1),
		upgrade: make(chan os.Signal, 1), closed: make(chan struct{})}
	signal.Notify(s.Stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.Hangup, syscall.SIGHUP)
	notifyReopen(s.reopen)
	notifyUpgrade(s.upgrade)
	return s
}

// Close gives the signals their default effect again.
func (s *Signals) Close() {
	s.once.Do(func() {
		signal.Stop(s.Stop)
		signal.Stop(s.Hangup)
		signal.Stop(s.reopen)
		signal.Stop(s.upgrade)
		close(s.closed)
	})
}
