package instance

import (
	"context"
	"os"
	"testing"
	"time"
)

// TestASecondSignalEndsTheGrace, and neither an order to stop nor a first signal after one does.
func TestASecondSignalEndsTheGrace(t *testing.T) {
	for name, order := range map[string]stopOrder{"a signal": {signal: true}, "an order": {}} {
		in := &Instance{signals: &Signals{Stop: make(chan os.Signal)}, stop: make(chan stopOrder)} // both wait for the receiver
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
