package systemd

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// KeepAlive notifies systemd's watchdog twice in each WatchdogSec, as long as
// alive returns no error within that time: it should ask the engine for
// something, so that systemd restarts an unresponsive one. Call stop to end it.
func (m *Manager) KeepAlive(alive func(context.Context) error, log *slog.Logger) (stop func()) {
	if m.watchdog <= 0 || m.notify == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go m.keepAlive(ctx, alive, log, done)
	return func() {
		cancel()
		<-done
	}
}

func (m *Manager) keepAlive(ctx context.Context, alive func(context.Context) error, log *slog.Logger, done chan<- struct{}) {
	defer close(done)
	every := m.watchdog / 2
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := m.sign(ctx, every, alive)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.Warn("systemd: could not notify the watchdog; it will restart this process", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sign notifies the watchdog if this process is alive.
func (m *Manager) sign(ctx context.Context, within time.Duration, alive func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := alive(ctx); err != nil {
		return err
	}
	return m.send(daemon.SdNotifyWatchdog)
}
