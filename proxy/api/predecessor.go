package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Predecessor is an earlier process of this instance that an upgrade has replaced
// and that still serves its clients.
type Predecessor struct {
	Source
	PID    int
	Engine string // its name in our engine
}

// PredecessorInfo is what a predecessor still has.
type PredecessorInfo struct {
	PID     int `json:"pid"`
	Active  int `json:"active"`  // live sessions
	Waiting int `json:"waiting"` // waiting clients
}

// earlierWait bounds how long a predecessor that does not answer delays a reader.
const earlierWait = 2 * time.Second

func (l *Local) predecessors() []Predecessor {
	if l.Predecessors == nil {
		return nil
	}
	return l.Predecessors()
}

func (p *Predecessor) info(e *proxy.Engine) PredecessorInfo {
	i := PredecessorInfo{PID: p.PID}
	for _, r := range proxy.HandoverOf(e).Predecessor(p.Engine).Services {
		i.Active += r.Active
		i.Waiting += r.Waiting
	}
	return i
}

// earlierSessions returns the sessions of predecessors. One that does not answer adds
// none.
func (l *Local) earlierSessions(ctx context.Context, q SessionQuery) (all []proxy.SessionInfo) {
	l.eachEarlier(ctx, func(ctx context.Context, p Predecessor) error {
		some, err := p.Sessions(ctx, q)
		for i := range some {
			some[i].PID = p.PID
		}
		all = append(all, some...)
		return err
	})
	return all
}

// Live yields all live sessions, starting with those of predecessors, which are
// older.
func (l *Local) Live(ctx context.Context, q SessionQuery) iter.Seq[proxy.SessionInfo] {
	return func(yield func(proxy.SessionInfo) bool) {
		for _, s := range l.earlierSessions(ctx, q) {
			if !yield(s) {
				return
			}
		}
		for s := range l.Engine.Operator().Live() {
			if !yield(s) {
				return
			}
		}
	}
}

// earlierQueue returns the waiters of predecessors: they come before ours.
func (l *Local) earlierQueue(ctx context.Context, service string) (all []proxy.WaiterInfo) {
	l.eachEarlier(ctx, func(ctx context.Context, p Predecessor) error {
		some, err := p.Queue(ctx, service)
		all = append(all, some...)
		return err
	})
	return all
}

// kickEarlier kicks sessions of one predecessor, and returns how many.
func (l *Local) kickEarlier(pid int, r Request) (n int) {
	r.Service, r.Backend, r.Client = "", "", ""
	l.eachEarlier(context.Background(), func(ctx context.Context, p Predecessor) error {
		if p.PID != pid {
			return nil
		}
		_, err := p.Do(ctx, r)
		if err == nil {
			n = len(r.Targets)
		}
		return err
	})
	return n
}

// eachEarlier asks each predecessor. If one refuses what the newest process does not,
// such as a drain of a backend that it does not have, that is noted.
func (l *Local) eachEarlier(ctx context.Context, ask func(context.Context, Predecessor) error) {
	for _, p := range l.predecessors() {
		within, cancel := context.WithTimeout(ctx, earlierWait)
		err := ask(within, p)
		cancel()
		if err != nil && !errors.Is(err, ErrNoInstance) { // it has just ended, and there is an event of that
			l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventEngine, Level: proxy.LevelWarn,
				Text: fmt.Sprintf("process %d, which serves clients from before an upgrade: %v", p.PID, err)})
		}
	}
}
