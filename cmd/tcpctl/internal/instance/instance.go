// Package instance runs one tcpctl: it assembles the engine with its logs, control socket, metrics
// and mesh, and starts, reloads, upgrades and stops it.
package instance

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/access"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/discover"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/filewatch"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/history"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/httpd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/logfile"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/notify"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/process"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/sshd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/systemd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Instance is everything that runs in one tcpctl. Make it with New, then call
// Serve, or else Close.
type Instance struct {
	c       Config
	node    string // the node's name
	log     *logfile.Log
	access  *access.Log
	history *history.Recorder
	engine  *proxy.Engine
	local   *api.Local
	notify  *notify.Notifier
	control *control.Server
	metrics *httpd.Server // nil: none; guarded by reloading
	ssh     *sshd.Server  // nil: none; guarded by reloading
	state   stateFile     // guarded by reloading
	systemd *systemd.Manager
	sources *discover.Manager
	files   *filewatch.Watcher // of lists and secrets in files besides the configuration
	fleet   *fleet.Fleet       // nil: no mesh
	member  *membership        // of the file's cluster; nil: none
	signals *Signals
	console Console // nil: none is shown
	stop    chan stopOrder
	acts    sync.WaitGroup // the acts of signals

	predecessor  *upgrade.Predecessor // the process that this one replaces; nil: none
	predecessors *predecessors        // all earlier processes that still serve
	owning       sync.WaitGroup       // takeOwnership
	handover     atomic.Pointer[handover]
	handedOver   chan struct{} // closed when another process has taken over
	acting       sync.RWMutex  // read-locked by acts, write-locked while no act is allowed

	reloading sync.Mutex         // serializes reloads, saves and begins of handovers
	stopping  bool               // guarded by reloading
	followers *upgrade.Followers // later processes; guarded by reloading

	mu   sync.Mutex // guards file, services, grace and quiet
	file *config.File
	// services is the engine's services as in the file, or else the flags.
	services []proxy.ServiceConfig
	grace    time.Duration
	quiet    bool // no log lines on stderr: they would spoil the console, or the terminal is lost
}

// New makes an instance and starts it. Where one part cannot be made, it
// closes the parts before it.
func New(ctx context.Context, c Config) (_ *Instance, err error) {
	in := &Instance{c: c, file: c.File, services: c.Engine.Services, grace: c.Grace, node: c.nodeName(), stop: make(chan stopOrder, 1), handedOver: make(chan struct{})}
	process.LimitMemory()
	in.signals = WatchSignals() // before any socket exists that a signal could leave behind
	defer func() {
		if err != nil {
			if in.predecessor != nil {
				in.releaseServers()
				in.predecessor.Fail(err)
			}
			in.Close()
		}
	}()
	if in.predecessor, err = upgrade.Take(); err != nil {
		return nil, err
	}
	if in.predecessor == nil {
		in.console = c.Console // otherwise the terminal belongs to the predecessor
	}
	in.quiet = in.console != nil || in.predecessor != nil && in.predecessor.Offer.Screen
	for _, step := range [...]func() error{in.openLogs, in.makeEngine, in.startNotify} {
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

// Close ends what New has made, in the opposite order. Serve calls it.
func (in *Instance) Close() {
	in.acts.Wait()
	in.reloading.Lock() // a later reload finds the engine stopped
	if in.metrics != nil {
		in.metrics.Close()
	}
	if in.ssh != nil {
		in.ssh.Close()
	}
	in.reloading.Unlock()
	if in.engine != nil {
		in.sources.Close()
		in.files.Close()
		in.engine.Close()
	}
	in.member.close() // while the mesh, or another process of this node, can still carry its last messages
	if in.predecessors != nil {
		in.predecessors.close()
	}
	in.reloading.Lock()
	if in.followers != nil {
		in.followers.Close()
	}
	in.reloading.Unlock()
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
