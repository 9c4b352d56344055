package api

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tcpctl/tcpctl/proxy"
)

// probesAtOnce bounds how many backends are checked at the same time: one that does not
// answer takes its check's whole timeout.
const probesAtOnce = 16

// probe checks the backends in parallel, and counts the failures; those of a service
// with a lock are checked in turn, since each check takes a slot. Of several backends,
// one that cannot be checked is reported like the others.
func (l *Local) probe(s *Status, a *Act, r Request) (Result, error) {
	var failed atomic.Int32
	texts, errs := make([]string, len(r.Targets)), make([]error, len(r.Targets))
	one := func(i int) {
		alone := r
		alone.Targets = r.Targets[i : i+1]
		if b, err := FindBackend(l.Engine, r.Targets[i]); err != nil {
			errs[i] = err
		} else {
			texts[i], errs[i] = b.Probe()
		}
		if errs[i] != nil {
			texts[i] = strings.TrimPrefix(errs[i].Error(), "proxy: ")
			failed.Add(1)
		}
		service, backend := SplitTarget(r.Targets[i])
		l.Engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, Service: service, Backend: backend, By: r.By,
			Text: texts[i], Command: alone.CommandLine()})
	}
	lines := map[string][]int{} // of targets checked in turn
	for i, target := range r.Targets {
		service, _ := SplitTarget(target)
		if svc := s.Service(service); svc != nil && svc.Lock != nil {
			target = service
		}
		lines[target] = append(lines[target], i)
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, probesAtOnce)
	for _, line := range lines {
		room <- struct{}{}
		wg.Go(func() {
			for _, i := range line {
				one(i)
			}
			<-room
		})
	}
	wg.Wait()
	if len(r.Targets) == 1 && errs[0] != nil && !errors.Is(errs[0], proxy.ErrProbe) {
		return Result{}, refusal(s, a, r.Targets[0], errs[0])
	}
	return Result{Texts: texts, Failed: int(failed.Load())}, nil
}
