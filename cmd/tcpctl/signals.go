package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals are those that a running instance answers to.
type signals struct {
	stop    chan os.Signal // TERM, INT
	hangup  chan os.Signal // HUP: reload, or with a console a lost terminal
	reopen  chan os.Signal // USR1: open the log files again
	upgrade chan os.Signal // USR2: let the binary that is installed now take over
	closed  chan struct{}
	once    sync.Once
}

func watchSignals() *signals {
	s := &signals{stop: make(chan os.Signal, 2), hangup: make(chan os.Signal, 1), reopen: make(chan os.Signal, 1),
		upgrade: make(chan os.Signal, 1), closed: make(chan struct{})}
	signal.Notify(s.stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hangup, syscall.SIGHUP)
	notifyReopen(s.reopen)
	notifyUpgrade(s.upgrade)
	return s
}

func (s *signals) close() {
	s.once.Do(func() {
		signal.Stop(s.stop)
		signal.Stop(s.hangup)
		signal.Stop(s.reopen)
		signal.Stop(s.upgrade)
		close(s.closed)
	})
}
