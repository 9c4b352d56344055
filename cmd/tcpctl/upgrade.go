package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// ourPath is where this program was started from: by its name there, so that
// what is installed at that place later is found, and a link is followed anew.
var ourPath = func() string {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		path, _ = os.Executable()
	}
	return path
}()

// upgrade starts the binary that is installed now, with our arguments and
// sockets. It returns once the new process is ready; that one accepts clients
// as soon as this one listens no more, which is soon after. Whoever is here
// then is served here to his end.
func (in *instance) upgrade(by string) (string, error) {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	if in.bound != "" {
		return "", api.Refused("this instance cannot be upgraded: "+in.bound, "stop it, and start the new one")
	}
	if os.Getpid() == 1 {
		return "", api.Refused("this is the first process of a container, which would end with it", "start a new container, then stop this one")
	}
	if err := in.engine.Movable(); err != nil {
		return "", api.Refused(err.Error(), "wait for its end, or end it; then upgrade")
	}
	offer, err := in.offer()
	if err != nil {
		return "", err
	}
	defer offer.Close()
	offer.By = by
	next, err := upgrade.Begin(ourPath, os.Args, in.systemd.Env(), offer)
	if err != nil {
		return "", api.Refused(err.Error(), "this one serves on")
	}
	select {
	case in.stop <- stopOrder{next: next}:
	default:
		next.Close()
		return "", errors.New("this instance is stopping")
	}
	return fmt.Sprintf("process %d takes over from %d, which serves its clients to their end", next.PID, os.Getpid()), nil
}

// offer is what the next process needs of this one.
func (in *instance) offer() (o upgrade.Offer, err error) {
	o = upgrade.Offer{PID: os.Getpid(), Control: in.control.Path(), Screen: in.onScreen(), Saved: in.engine.Save(), Up: in.engine.Up(), Activated: in.systemd.Sockets()}
	if o.Doors, o.Closed, err = in.engine.Doors(); err != nil {
		return o, err
	}
	if in.metrics != nil {
		o.MetricsAddr = in.current().Metrics.Listen
		if o.Metrics, err = in.metrics.File(); err != nil {
			o.Close()
		}
	}
	return o, err
}

// giveOver leaves the doors to the next process, tells it what is left here,
// and returns when nothing is. It reports false when that process has died
// before it took anything: then this one listens again.
func (in *instance) giveOver(next *upgrade.Successor) bool {
	if in.fleet != nil {
		in.fleet.Close() // one node a name, and one listener a port
		in.fleet = nil
	}
	in.systemd.HandOver(next.PID) // who is not there need not know
	left := in.engine.Leave()
	rest := in.engine.Rest()
	if err := next.Go(rest); err != nil {
		in.log.Error("upgrade: the new process has died; serving on: " + err.Error())
		next.Close()
		if err := in.engine.Return(left); err != nil {
			in.log.Error("upgrade: " + err.Error())
		}
		return false
	}
	in.control.Close()
	in.control = nil
	if in.metrics != nil {
		in.metrics.Close()
		in.metrics = nil
	}
	if in.console {
		fmt.Fprintf(stderr, "tcpctl: process %d has taken over; look again with tcpctl attach\n", next.PID)
	}
	in.log.Info("another process has taken over", "pid", next.PID, "services_with_clients_here", len(rest))
	in.serveRest(next, rest)
	return true
}

// restEvery is how often the next process is told what is left here: so long,
// at most, a slot that is free here is not given there.
const restEvery = 20 * time.Millisecond

// serveRest serves those who are left. They have all the time they need, as
// long as the next process lives; its end, and a signal, are the usual end.
func (in *instance) serveRest(next *upgrade.Successor, rest map[string]proxy.Rest) {
	gone := make(chan struct{})
	go awaitNext(next, gone)
	defer func() {
		next.Close()
		<-gone
	}()
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	why := ""
	for len(rest) > 0 && why == "" {
		select {
		case <-tick.C:
			if now := in.engine.Rest(); !reflect.DeepEqual(now, rest) {
				rest = now
				next.Tell(rest) // who has gone need not know
			}
		case <-in.signals.reopen:
			in.reopen()
		case <-gone:
			why = "the process that took over has ended"
		case sig := <-in.signals.stop:
			why = sig.String()
		}
	}
	if why == "" {
		in.engine.Shutdown(context.Background())
		return
	}
	in.shutDown(why, in.usualGrace())
}

func awaitNext(next *upgrade.Successor, gone chan<- struct{}) {
	next.Wait()
	close(gone)
}

// takeOver has the engine begin with what the process before this one has.
func (in *instance) takeOver(cfg *proxy.Config) {
	if in.before == nil {
		return
	}
	o := &in.before.Offer
	in.systemd.Adopt(o.Activated)
	cfg.Doors, cfg.Closed, cfg.Up, cfg.Opened = o.Doors, o.Closed, o.Up, in.before.Ready
}

// tookOver goes on once the process before this one listens no more.
func (in *instance) tookOver(ctx context.Context) {
	if err := in.joinMesh(ctx); err != nil {
		in.log.Error(err.Error())
	}
	o := &in.before.Offer
	in.engine.Note(proxy.Event{Kind: proxy.EventOperator, By: o.By, Text: fmt.Sprintf("upgrade: taken over from process %d, which serves its clients to their end", o.PID)})
	in.follows.Add(1)
	go in.followOld()
}

func (in *instance) followOld() {
	defer in.follows.Done()
	in.before.Follow(in.engine.Follow)
	in.engine.Note(proxy.Event{Kind: proxy.EventEngine, Text: fmt.Sprintf("process %d has served its last client", in.before.Offer.PID)})
}
