package api

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

var _ Historian = (*Local)(nil)

// past returns the instance's history, or why there is none.
func (l *Local) past() (History, error) {
	if l.History == nil {
		return nil, Refused("this process keeps no history", "ask the instance itself: tcpctl history")
	}
	return l.History, nil
}

func (l *Local) Remembered(ctx context.Context) (HistoryInfo, error) {
	return remembered(l, func(h History) (HistoryInfo, error) { return h.Remembered(ctx) })
}

func (l *Local) Timeline(ctx context.Context, q TimelineQuery) ([]proxy.Event, error) {
	return remembered(l, func(h History) ([]proxy.Event, error) { return h.Timeline(ctx, q) })
}

func (l *Local) Moment(ctx context.Context, at time.Time) (*Moment, error) {
	return remembered(l, func(h History) (*Moment, error) { return h.Moment(ctx, at) })
}

func (l *Local) Series(ctx context.Context, q SeriesQuery) ([]Series, error) {
	return remembered(l, func(h History) ([]Series, error) { return h.Series(ctx, q) })
}

func (l *Local) Top(ctx context.Context, q TopQuery) (*Top, error) {
	return remembered(l, func(h History) (*Top, error) { return h.Top(ctx, q) })
}

func (l *Local) Incident(ctx context.Context, q Stretch) (*Incident, error) {
	return remembered(l, func(h History) (*Incident, error) { return h.Incident(ctx, q) })
}

func remembered[T any](l *Local, ask func(History) (T, error)) (T, error) {
	h, err := l.past()
	if err != nil {
		var none T
		return none, err
	}
	return ask(h)
}
