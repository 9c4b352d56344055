package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals are those that a running instance answers to.
type signals struct {
	stop   chan os.Signal // TERM, INT
	hangup chan os.Signal // HUP: reload, or with a console a lost terminal
	closed chan struct{}
}

func watchSignals() *signals {
	s := &signals{stop: make(chan os.Signal, 2), hangup: make(chan os.Signal, 1), closed: make(chan struct{})}
	signal.Notify(s.stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hangup, syscall.SIGHUP)
	return s
}

// hurry ends the grace at the second signal.
func (s *signals) hurry(now context.CancelFunc) {
	select {
	case <-s.stop:
		now()
	case <-s.closed:
	}
}

func (s *signals) close() {
	signal.Stop(s.stop)
	signal.Stop(s.hangup)
	close(s.closed)
}

// await blocks until something ends the instance.
func (in *instance) await(s *signals, l *launch) stopOrder {
	for {
		select {
		case sig := <-s.stop:
			return stopOrder{why: sig.String()}
		case order := <-in.stop:
			return order
		case <-s.hangup:
			l.log.Info("hangup: there is no configuration file to reload")
		}
	}
}
