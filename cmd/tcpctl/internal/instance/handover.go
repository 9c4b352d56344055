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

// ourPath is where this program was started from, with links unresolved: what
// is installed there by the time of an upgrade is what takes over.
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

// handover is an upgrade that has begun, in the process that is replaced. Acts look
// at its step; a stop of the instance ends it.
type handover struct {
	in    *Instance
	by    string
	offer upgrade.Offer
	step  atomic.Int32
	pid   atomic.Int32  // of the successor, once it has taken over
	quit  chan struct{} // closed: it is to end
	once  sync.Once
	over  chan struct{} // closed: it has ended, well or not
}

// Steps of a handover, as far as they concern acts.
const (
	stepOffered  = iota // all acts are allowed, except those that change sockets
	stepHanding         // for a moment, none is
	stepTaken           // the successor accepts clients
	stepReleased        // the successor owns everything
)

// upgrade starts the binary that is installed now, with this process's
// arguments and sockets, and returns once the new process accepts clients. This
// one serves its own clients until they end.
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
	next, err := upgrade.Begin(ourPath, os.Args, in.systemd.Env(), h.offer, h.duties())
	if err != nil {
		h.end()
		return "", api.Refused(err.Error(), "this process serves on; mend that, then upgrade again")
	}
	go h.settle(next)
	return fmt.Sprintf("process %d takes over; process %d serves its own clients until they end", next.PID, os.Getpid()), nil
}

// beginHandover begins a handover, of which there is one at a time.
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

// snapshot is the state of this process now, for the next one.
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

// end closes what the handover has opened. After a release, this process serves
// only the clients that it has.
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

// stop ends the handover, since this process is to stop. It reports whether it
// came too late: another process owns everything.
func (h *handover) stop() (released bool) {
	h.once.Do(func() { close(h.quit) })
	<-h.over
	return h.step.Load() == stepReleased
}

// refusal is why no other upgrade and no reload can begin now.
func (h *handover) refusal() error {
	if pid := h.pid.Load(); pid != 0 {
		return api.Refused(fmt.Sprintf("process %d has taken over from this one (%d)", pid, os.Getpid()), "try again: the new process answers now")
	}
	return api.Refused("an upgrade is under way", "try again when it has ended: tcpctl events -f shows it")
}

// beginAct allows an act, unless a handover under way would lose its effect.
// Call end after it.
func (in *Instance) beginAct(r *api.Request) (end func(), err error) {
	nothing := func() {}
	switch r.Act {
	case "upgrade", "reload", "stop", "probe", "mark": // these check by themselves
		return nothing, nil
	case "open", "close":
		if in.predecessor != nil {
			in.predecessor.Settle(context.Background()) // it could not serve again what this act changes
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
