package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// ourPath is the path from which this program was started, with symlinks unresolved: at an upgrade,
// the program that is then installed there takes over.
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

// handover is an upgrade in progress, in the process that is being replaced. Acts depend on its
// step; a stop of the instance ends it.
type handover struct {
	in    *Instance
	by    string
	offer upgrade.Offer
	step  atomic.Int32
	pid   atomic.Int32  // the successor's, once it has taken over
	quit  chan struct{} // closed when it must end
	once  sync.Once
	over  chan struct{} // closed when it has ended, successfully or not
}

// Steps of a handover that matter to acts.
const (
	stepOffered  = iota // all acts are allowed, except those that change sockets
	stepHanding         // for a moment, no act is allowed
	stepTaken           // the successor accepts clients
	stepReleased        // the successor owns everything
)

// upgrade starts the currently installed binary with this process's arguments and sockets, and
// returns once the new process accepts clients. This process serves its own clients until they end.
func (in *Instance) upgrade(by string) (string, error) {
	if in.c.NoUpgrade != "" {
		return "", api.Refused("this instance cannot be upgraded: "+in.c.NoUpgrade, "stop it, and start the new one")
	}
	if os.Getpid() == 1 {
		return "", api.Refused("this is the first process of a container, and the container would end with it", "start a new container, then stop this one")
	}
	h, err := in.beginHandover(by)
	if err != nil {
		return "", err
	}
	next, err := upgrade.Begin(ourPath, os.Args, in.systemd.Env(), h.offer,
		upgrade.Duties{StopListening: h.stopListening, Yield: h.yield, Release: h.release, Resume: h.resume, Stop: h.quit})
	if err != nil {
		h.end()
		return "", api.Refused(err.Error(), "this process serves on; mend that, then upgrade again")
	}
	go h.settle(next)
	return fmt.Sprintf("process %d takes over; process %d serves its own clients until they end", next.PID, os.Getpid()), nil
}

// beginHandover begins a handover. There is at most one at a time.
func (in *Instance) beginHandover(by string) (*handover, error) {
	if in.predecessor != nil {
		in.predecessor.Settle(context.Background())
	}
	in.reloading.Lock()
	defer in.reloading.Unlock()
	if h := in.handover.Load(); h != nil {
		return nil, h.refusal()
	}
	if in.stopping {
		return nil, api.Refused("this instance is stopping", "start the new one")
	}
	if err := proxy.HandoverOf(in.engine).Ready(); err != nil {
		return nil, api.Refused(err.Error(), "wait until it has ended, or end it; then upgrade again")
	}
	h := &handover{in: in, by: by, quit: make(chan struct{}), over: make(chan struct{})}
	var err error
	if in.followers, err = upgrade.ServeFollowers(in.followersHandler(), proxy.HandoverOf(in.engine).Remaining); err == nil {
		err = h.makeOffer()
	}
	if err != nil {
		h.close()
		return nil, api.Refused(err.Error(), "this process serves on; mend that, then upgrade again")
	}
	in.handover.Store(h)
	return h, nil
}

// makeOffer collects what the next process needs from this one.
func (h *handover) makeOffer() (err error) {
	in, o := h.in, &h.offer
	*o = upgrade.Offer{PID: os.Getpid(), By: h.by, Control: in.control.Path(), Screen: in.isQuiet(), Activated: in.systemd.Sockets(), State: h.snapshot()}
	if in.fleet != nil {
		o.MeshKey = in.fleet.Key()
		if o.Cluster, err = in.fleet.OfferCluster(); err != nil {
			return err
		}
	}
	if o.Listeners, err = proxy.HandoverOf(in.engine).Sockets(); err != nil {
		return err
	}
	if o.ControlSocket, err = in.control.File(); err == nil && in.metrics != nil {
		o.MetricsAddr = in.File().Metrics.Listen
		o.Metrics, err = in.metrics.File()
	}
	if err == nil && in.ssh != nil {
		o.SSHAddr = in.File().Console.SSH.Listen
		o.SSH, err = in.ssh.File()
	}
	return err
}

// snapshot returns the current state of this process, for the successor.
func (h *handover) snapshot() upgrade.State {
	in := h.in
	self := upgrade.Generation{PID: os.Getpid(), Addr: in.followers.Addr()}
	return upgrade.State{Engine: proxy.HandoverOf(in.engine).State(self.Addr), Generations: append(in.predecessors.list(), self)}
}

// settle waits until the successor can no longer fail.
func (h *handover) settle(next *upgrade.Successor) {
	err := next.Settle()
	if err != nil && !errors.Is(err, upgrade.ErrStopped) {
		h.in.log.Error(err.Error())
	}
	h.end()
}

// end closes what the handover has opened. After a release, this process only serves its remaining
// clients.
func (h *handover) end() {
	if h.step.Load() == stepReleased {
		h.offer.Close()
		close(h.in.handedOver)
	} else {
		h.close()
		h.in.handover.Store(nil)
	}
	close(h.over)
}

func (h *handover) close() {
	h.offer.Close()
	if h.in.followers != nil {
		h.in.followers.Close()
		h.in.followers = nil
	}
}

// stop ends the handover, since this process must stop. It returns true if it is too late: another
// process owns everything.
func (h *handover) stop() (released bool) {
	h.once.Do(func() { close(h.quit) })
	<-h.over
	return h.step.Load() == stepReleased
}

// refusal says why no other upgrade and no reload can begin now.
func (h *handover) refusal() error {
	if pid := h.pid.Load(); pid != 0 {
		return api.Refused(fmt.Sprintf("process %d has taken over from this one (%d)", pid, os.Getpid()), "try again: the new process answers now")
	}
	return api.Refused("an upgrade is under way", "try again when it has ended: tcpctl events -f shows it")
}

// beginAct allows an act, unless a handover in progress would lose its effect. The caller must call
// end after the act.
func (in *Instance) beginAct(r *api.Request) (end func(), err error) {
	nothing := func() {}
	switch r.Act {
	case "upgrade", "reload", "stop", "probe", "mark": // these check for a handover themselves
		return nothing, nil
	case "open", "close":
		if in.predecessor != nil {
			in.predecessor.Settle(context.Background()) // after this act, the predecessor could not take over again
		}
	}
	in.acting.RLock()
	h := in.handover.Load()
	switch {
	case h == nil, h.step.Load() == stepOffered && r.Act != "open" && r.Act != "close":
		return in.acting.RUnlock, nil
	}
	in.acting.RUnlock()
	return nothing, h.refusal()
}
