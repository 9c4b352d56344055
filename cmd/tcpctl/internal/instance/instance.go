// Package instance runs one tcpctl: it puts the engine together with its logs,
// control socket, metrics and mesh, and starts, reloads, upgrades and stops it.
package instance

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/access"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/history"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/logfile"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/metrics"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/notify"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/process"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/systemd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Instance is everything that runs in one tcpctl. Make it with New, then call
// Serve, or else Close.
type Instance struct {
	c       Config
	node    string // its name
	log     *logfile.Log
	access  *access.Log
	history *history.Recorder
	engine  *proxy.Engine
	local   *api.Local
	notify  *notify.Notifier
	control *control.Server
	metrics *metrics.Server // nil: none; guarded by reloading
	state   stateFile       // guarded by reloading
	systemd *systemd.Manager
	fleet   *fleet.Fleet // nil: no mesh
	signals *Signals
	console Console // nil: none is shown
	stop    chan stopOrder
	acts    sync.WaitGroup // the acts of signals

	predecessor  *upgrade.Predecessor // the process that this one takes over from; nil: none
	predecessors *predecessors        // all before this one that still serve
	owning       sync.WaitGroup       // takeOwnership
	handover     atomic.Pointer[handover]
	handedOver   chan struct{} // closed: another process has taken over
	acting       sync.RWMutex  // held by acts for reading, by the moment that allows none for writing

	reloading sync.Mutex         // one reload, save or begin of a handover at a time
	stopping  bool               // guarded by reloading
	followers *upgrade.Followers // the processes after this one; guarded by reloading

	mu    sync.Mutex // of file, grace and quiet
	file  *config.File
	grace time.Duration
	quiet bool // stderr takes no log lines: they would spoil the console, or meet no terminal
}

// New makes an instance and starts it. Where one part cannot be made, it
// closes the parts before it.
func New(ctx context.Context, c Config) (_ *Instance, err error) {
	in := &Instance{c: c, file: c.File, grace: c.Grace, node: c.nodeName(), stop: make(chan stopOrder, 1), handedOver: make(chan struct{})}
	process.LimitMemory()
	in.signals = WatchSignals() // before there is a socket that one could leave behind
	defer func() {
		if err != nil {
			if in.predecessor != nil {
				in.predecessor.Fail(err)
			}
			in.Close()
		}
	}()
	if in.predecessor, err = upgrade.Take(); err != nil {
		return nil, err
	}
	if in.predecessor == nil {
		in.console = c.Console // else the terminal is the predecessor's
	}
	in.quiet = in.console != nil || in.predecessor != nil && in.predecessor.Offer.Screen
	for _, step := range [...]func() error{in.openLogs, in.openHistory, in.makeEngine, in.startNotify} {
		if err = step(); err != nil {
			return nil, &ConfigError{err}
		}
	}
	for _, step := range [...]func(context.Context) error{in.openMesh, in.openServers, in.start} {
		if err = step(ctx); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func (in *Instance) openLogs() (err error) {
	if in.log, err = logfile.New(logConfig(in.file, in.quiet)); err != nil {
		return err
	}
	slog.SetDefault(in.log.Logger) // for what was made before there was a log, such as certificates
	in.access, err = access.New(in.node, accessConfig(in.file), in.log.Logger)
	return err
}

func (in *Instance) openHistory() error {
	in.history = history.New(in.historyConfig(in.file), in.log.Logger)
	return nil
}

func (in *Instance) makeEngine() (err error) {
	in.systemd = systemd.Take()
	c := in.c.Engine
	c.Log, c.Activated = in.log.Logger, in.systemd.Claim
	c.OnRecord = func(r proxy.Record) {
		in.access.Record(r)
		in.history.Record(r)
	}
	if in.predecessor != nil {
		o := &in.predecessor.Offer
		in.systemd.Adopt(o.Activated)
		c.InheritedSockets, c.Closed = o.Listeners, o.State.Engine.Closed
	}
	c.CutPredecessors = func(service, backend, reason string) { in.predecessors.reset(service, backend, reason) }
	if in.engine, err = proxy.New(c); err != nil {
		return err
	}
	in.predecessors = newPredecessors(in.engine)
	in.state.engine = in.engine
	if in.predecessor == nil { // else it tells of more than the file has
		proxy.HandoverOf(in.engine).Remember(in.history.Past())
	}
	in.local = &api.Local{Engine: in.engine, By: control.UserName(os.Getuid()) + "@" + in.node, Stop: in.Stop, Grace: in.currentGrace,
		Node: api.Node{Name: in.node, Version: in.c.Version, Started: time.Now()}, History: in.history}
	in.local.Upgrade, in.local.Begin, in.local.Predecessors = in.upgrade, in.beginAct, in.predecessors.sources
	if in.predecessor != nil { // no count may be less than one that was shown
		in.local.Refresh = in.predecessors.refresh
		in.local.Shown = func() { in.predecessor.Count(in.remaining) }
	}
	if in.c.Path != "" {
		in.state.path = in.c.Path + ".state"
		in.local.Node.ConfigHash = in.file.Hash()
		in.local.Reload, in.local.Save, in.local.Text = in.reload, in.save, in.text
	}
	return nil
}

func (in *Instance) startNotify() (err error) {
	in.notify, err = notify.Start(notifyConfig(in.file, in.node), in.local, in.log.Logger)
	return err
}

// openMesh makes this node's part in the mesh. A successor joins it later:
// the predecessor is the same node.
func (in *Instance) openMesh(ctx context.Context) (err error) {
	c := in.c.Mesh
	if c == nil {
		if in.file.Mesh == nil {
			return nil
		}
		made, err := fleet.FromFile(in.file.Mesh)
		if err != nil {
			return &ConfigError{err}
		}
		c = &made
	}
	c.Version, c.Log = in.c.Version, in.log.Logger
	if in.predecessor != nil && c.Mesh.Key == nil {
		c.Mesh.Key = in.predecessor.Offer.MeshKey // for peers it is the same node
	}
	if in.fleet, err = fleet.New(*c, in.local); err != nil || in.predecessor != nil {
		return err
	}
	return in.fleet.Join(ctx)
}

// openServers opens the control socket and the metrics, which are served from
// start on.
func (in *Instance) openServers(context.Context) (err error) {
	if in.control, err = in.openControl(); err == nil {
		in.metrics, err = in.openMetrics(in.file.Metrics.Listen)
	}
	return err
}

func (in *Instance) start(ctx context.Context) (err error) {
	if in.predecessor != nil {
		err = in.takeOver()
	} else {
		var warning error
		if warning, err = in.state.restore(); warning != nil {
			in.log.Warn("the state file could not be updated and may be older than the configuration: " + warning.Error())
		}
	}
	if err == nil {
		in.history.Start(in.local, in.engine.Operator().Note)
		err = in.engine.Start()
	}
	if err != nil {
		return err
	}
	in.control.Start()
	if in.metrics != nil {
		in.metrics.Start()
	}
	in.access.Follow(in.local)
	if in.predecessor != nil {
		in.owning.Go(func() { in.takeOwnership(ctx) })
	}
	if in.c.Path == "" {
		return nil
	}
	for _, w := range in.file.Warnings() {
		in.log.Warn(w.Error())
	}
	if platformNote != "" {
		in.log.Warn(platformNote)
	}
	return nil
}

// Close ends what New has made, in the opposite order. Serve calls it.
func (in *Instance) Close() {
	in.acts.Wait()
	in.reloading.Lock() // a reload that comes later finds the engine stopped
	if in.metrics != nil {
		in.metrics.Close()
	}
	if in.followers != nil {
		in.followers.Close()
	}
	in.reloading.Unlock()
	if in.predecessors != nil {
		in.predecessors.close()
	}
	if in.engine != nil {
		in.engine.Close()
	}
	if in.control != nil {
		in.control.Close()
	}
	if in.predecessor != nil {
		in.predecessor.Close()
		in.owning.Wait()
	}
	if in.fleet != nil {
		in.fleet.Close()
	}
	if in.notify != nil {
		in.notify.Close()
	}
	if in.access != nil {
		in.access.Close()
	}
	if in.history != nil {
		in.history.Close()
	}
	in.signals.Close()
	if in.log != nil {
		in.log.Close()
	}
}

// Engine is what serves clients.
func (in *Instance) Engine() *proxy.Engine { return in.engine }

// Local is the source that the console and the control socket show.
func (in *Instance) Local() *api.Local { return in.local }

// Fleet is this node's part in the mesh; nil: it is in none.
func (in *Instance) Fleet() *fleet.Fleet { return in.fleet }

// HasConsole reports whether this process shows a console.
func (in *Instance) HasConsole() bool { return in.console != nil }

// File is the configuration that runs.
func (in *Instance) File() *config.File {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.file
}
