package instance

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/logfile"
)

// TestASecondSignalEndsTheGrace, and neither an order to stop nor a first signal after one does.
func TestASecondSignalEndsTheGrace(t *testing.T) {
	for name, order := range map[string]stopOrder{"a signal": {signal: true}, "an order": {}} {
		in := &Instance{log: &logfile.Log{Logger: slog.New(slog.DiscardHandler)}, signals: &Signals{Stop: make(chan os.Signal)}, stop: make(chan stopOrder)} // both wait for the receiver
		ctx, cancel := context.WithCancelCause(t.Context())
		end := time.NewTimer(time.Hour)
		go in.changeGrace(ctx, cancel, end, order)
		in.stop <- stopOrder{}
		if !order.signal {
			in.signals.Stop <- os.Interrupt
			in.stop <- stopOrder{} // the signal has been handled
		}
		if ctx.Err() != nil {
			t.Errorf("begun by %s, the grace has ended: %v", name, context.Cause(ctx))
			continue
		}
		in.signals.Stop <- os.Interrupt
		<-ctx.Done()
		end.Stop()
	}
}
