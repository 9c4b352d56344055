package instance

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// takeOver opens the predecessor's sockets, and waits until that process no longer accepts.
func (in *Instance) takeOver() error {
	if err := proxy.HandoverOf(in.engine).Open(); err != nil {
		return err
	}
	state, err := in.predecessor.Ready(in.signals.Stop)
	if err != nil {
		return err
	}
	proxy.HandoverOf(in.engine).TakeOver(state.Engine) // more complete than the state file
	in.predecessors.follow(state.Generations, in.predecessor.Released())
	in.predecessors.carry(in.member.with(), state.Generations)
	return nil
}

// takeOwnership takes what only one process can have from the predecessor, once that can no longer
// take it back: the service's state for systemd, and the mesh.
func (in *Instance) takeOwnership(ctx context.Context) {
	o := &in.predecessor.Offer
	in.engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, By: o.By, Text: fmt.Sprintf("upgrade: taken over from process %d, which serves its own clients until they end", o.PID)})
	if !in.predecessor.Accepting(remainingOf(in.engine)) {
		in.Stop(0, fmt.Sprintf("process %d, which is stopping", o.PID), "")
		return
	}
	in.notifyReady()
	if in.fleet == nil {
		return
	}
	for tries := 0; ; tries++ {
		err := in.fleet.Join(ctx)
		if err == nil {
			return
		}
		if tries == joinTries {
			in.log.Error(err.Error() + "; trying again")
		}
		select {
		case <-in.predecessors.ctx.Done():
			return
		case <-time.After(joinAgain): // the predecessor may still hold the port for a moment
		}
	}
}

// joinAgain is the time between a successor's attempts to join the mesh, and joinTries the number
// of failures before it reports them.
const (
	joinAgain = 50 * time.Millisecond
	joinTries = 20
)

// remainingOf returns the function that gives the engine's remaining sessions and counters.
func remainingOf(e *proxy.Engine) func() proxy.Remaining {
	return func() proxy.Remaining { return proxy.HandoverOf(e).Remaining(true) }
}

// predecessors has the earlier processes of this instance that still serve clients. close ends its
// goroutines.
type predecessors struct {
	engine *proxy.Engine
	ctx    context.Context
	stop   context.CancelFunc
	wg     sync.WaitGroup
	owned  <-chan struct{} // closed when this process owns everything
	mu     sync.Mutex
	all    []earlier
}

type earlier struct {
	upgrade.Generation
	client *control.Client
	failed *atomic.Int64 // when it last failed to answer, in Unix nanoseconds
	known  *atomic.Bool  // it has answered since this process owns everything
}

func newPredecessors(e *proxy.Engine) *predecessors {
	g := &predecessors{engine: e}
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g
}

// follow follows the remaining sessions of each process until it ends. It must be called once;
// owned is closed when they no longer answer requests.
func (g *predecessors) follow(all []upgrade.Generation, owned <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.owned = owned
	for _, one := range all {
		g.addLocked(one)
		g.wg.Go(func() { g.followOne(one) })
	}
}

func (g *predecessors) addLocked(one upgrade.Generation) {
	g.all = append(g.all, earlier{one, control.Dial(one.Addr), new(atomic.Int64), new(atomic.Bool)})
}

func (g *predecessors) followOne(one upgrade.Generation) {
	note := func(level, text string) {
		g.engine.Operator().Note(proxy.Event{Kind: proxy.EventEngine, Level: level, Text: fmt.Sprintf("process %d "+text, one.PID)})
	}
	upgrade.Follow(g.ctx, one.Addr, func(now proxy.Remaining) { proxy.HandoverOf(g.engine).Follow(one.Addr, &now) }, func(err error) {
		note(proxy.LevelWarn, "does not answer: its last known sessions and counts still count")
	})
	if g.ctx.Err() != nil {
		return
	}
	if remaining := proxy.HandoverOf(g.engine).Predecessor(one.Addr).Services; len(remaining) > 0 {
		note(proxy.LevelWarn, "has ended with clients that it served since before an upgrade")
	} else {
		note(proxy.LevelInfo, "has served its last client")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	proxy.HandoverOf(g.engine).Follow(one.Addr, nil)
	g.all = slices.DeleteFunc(g.all, func(o earlier) bool {
		if o.Generation == one {
			o.client.Close()
		}
		return o.Generation == one
	})
}

// list returns the processes that still run, oldest first.
func (g *predecessors) list() (all []upgrade.Generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.all {
		all = append(all, one.Generation)
	}
	return all
}

func (g *predecessors) sources() (all []api.Predecessor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.all {
		all = append(all, api.Predecessor{Source: one.client, PID: one.PID, Engine: one.Addr})
	}
	return all
}

const (
	// retryAfter is how long after a missing answer a process is asked again.
	retryAfter = 2 * time.Second
	// askFirstWithin is askWithin as long as the predecessor may itself have shown counts that have
	// not arrived here: a status must not be lower than those.
	askFirstWithin = 5 * time.Second
)

// askWithin is how long a status waits for a predecessor of which it has recent counts. A test sets it.
var askWithin = 300 * time.Millisecond

// refresh asks each process for its current counts, so that no sum is lower than one that it, or
// this process, has already shown.
func (g *predecessors) refresh(ctx context.Context) {
	g.mu.Lock()
	all, owned := slices.Clone(g.all), g.owned
	g.mu.Unlock()
	var asked sync.WaitGroup
	for _, one := range all {
		if time.Since(time.Unix(0, one.failed.Load())) < retryAfter {
			continue
		}
		asked.Go(func() {
			last, within := false, askFirstWithin
			if one.known.Load() {
				within = askWithin
			} else {
				select {
				case <-owned:
					last = true
				default:
				}
			}
			now, err := upgrade.Ask(ctx, one.Addr, within)
			if err != nil {
				one.failed.Store(time.Now().UnixNano())
				return
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			if slices.ContainsFunc(g.all, func(o earlier) bool { return o.Generation == one.Generation }) { // otherwise it has ended
				proxy.HandoverOf(g.engine).Follow(one.Addr, &now)
			}
			if last {
				one.known.Store(true)
			}
		})
	}
	asked.Wait()
}

// end stops all these processes within the grace.
func (g *predecessors) end(grace time.Duration) {
	ctx, cancel := context.WithTimeout(g.ctx, time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, p := range g.sources() {
		all.Go(func() { p.Do(ctx, api.Request{Act: "stop", Options: api.Options{Grace: grace}}) }) // on an error it has already ended
	}
	all.Wait()
}

// wait waits until all have ended, or ctx is done.
func (g *predecessors) wait(ctx context.Context) {
	for ctx.Err() == nil && len(g.list()) > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// reset resets these processes' sessions of a service, or of one of its backends.
func (g *predecessors) reset(service, backend, reason string) {
	ctx, cancel := context.WithTimeout(g.ctx, 10*time.Second)
	defer cancel()
	for _, p := range g.sources() {
		r := api.Request{Act: "kick", Options: api.Options{Reason: reason}}
		all, err := p.Sessions(ctx, api.SessionQuery{Service: service, Backend: backend})
		for _, s := range all {
			if s.Backend != "" { // otherwise it was not admitted yet
				r.Targets = append(r.Targets, s.ID)
			}
		}
		if err == nil && len(r.Targets) > 0 {
			_, err = p.Do(ctx, r)
		}
		if err != nil {
			g.engine.Operator().Note(proxy.Event{Kind: proxy.EventEngine, Level: proxy.LevelWarn, Service: service, Backend: backend,
				Text: fmt.Sprintf("%s: the sessions of process %d could not be reset: %v", reason, p.PID, err)})
		}
	}
}

// close stops following them.
func (g *predecessors) close() {
	g.stop()
	g.wg.Wait()
	for _, one := range g.all {
		one.client.Close()
	}
}
