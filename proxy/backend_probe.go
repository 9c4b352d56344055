package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// ErrProbe is wrapped by the error of a Probe whose check failed.
var ErrProbe = errors.New("proxy: the probe failed")

// probeError is an ErrProbe with its own text.
type probeError string

func (e probeError) Error() string        { return string(e) }
func (e probeError) Is(target error) bool { return target == ErrProbe }

// Probe checks the backend now and returns the result as a sentence; the error of
// a failed check wraps ErrProbe. The result counts like that of any other check.
// If the service has no checks (none), Probe only connects, and the result does
// not count.
func (b *Backend) Probe() (text string, err error) {
	ctx, release, free := b.checkSlot(b.service.ctx, true)
	defer release()
	permit, err := b.service.engine.checks.Acquire(ctx)
	if err != nil {
		return "", fmt.Errorf("proxy: %s is not checked: the engine is stopping", b.target())
	}
	defer permit.Release()
	var check health.Check
	may := false
	if free {
		check, may = b.mayCheck()
	}
	if !may {
		return "", fmt.Errorf("proxy: %s cannot be checked now: it is in maint, or every slot is taken", b.target())
	}
	began := time.Now()
	r := b.runCheck(ctx, check)
	if ctx.Err() == nil {
		b.takeResult(r, began)
	}
	if check.Polite {
		b.service.queue.Update(func() { b.service.checking-- })
	}
	switch lack := relay.LackOf(r.Err); {
	case ctx.Err() != nil:
		return "", fmt.Errorf("proxy: %s is not checked: its slot is lost, or the engine is stopping", b.target())
	case lack != "":
		return "", fmt.Errorf("proxy: %s could not be checked: out of %s: %w; %s", b.target(), lack, r.Err, lack.Try())
	case !r.OK:
		return "", probeError(fmt.Sprintf("probe %s: failed, %s", b.target(), r.Detail))
	}
	return fmt.Sprintf("probe %s: passed, %s", b.target(), r.Detail), nil
}
