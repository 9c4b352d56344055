package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/access"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/logfile"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/metrics"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/notify"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/systemd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// instance is everything that runs in one tcpctl.
type instance struct {
	file    *config.File // of flags where there is none
	path    string       // of the file; "": there is none
	log     *logfile.Log
	access  *access.Log
	engine  *proxy.Engine
	local   *api.Local
	notify  *notify.Notifier
	control *control.Server
	metrics *metrics.Server // nil: none
	systemd *systemd.Manager
	fleet   *fleet.Fleet         // nil: no mesh
	before  *upgrade.Predecessor // nil: it was not started to take over

	handover    atomic.Pointer[handover] // nil: no other process takes over
	handedOver  chan struct{}            // closed: one has
	stopping    bool                     // guarded by reloading
	acting      sync.RWMutex             // acts, and the moment in which none may be
	followers   *upgrade.Followers       // the processes after this one; guarded by reloading
	generations *generations             // those before it

	signals *signals
	stop    chan stopOrder
	bound   string         // why no other process can take over; "": one can
	follows sync.WaitGroup // what before is heard
	acts    sync.WaitGroup // that signals have asked for
	console bool           // it is to be shown

	reloading sync.Mutex // one at a time
	mu        sync.Mutex // of file, grace and screen
	screen    bool       // stderr is not for lines
	grace     time.Duration
	graceSet  bool // by a flag
}

// newInstance puts an instance together and starts it, or nothing of it: each
// part is closed again by the one that could not be made.
func newInstance(cmd *cobra.Command, file *config.File, cfg proxy.Config, l *launch) (_ *instance, err error) {
	in := &instance{file: file, path: l.path, stop: make(chan stopOrder, 1), handedOver: make(chan struct{}), grace: l.grace, graceSet: l.graceSet, bound: l.bound}
	limitMemory()
	in.signals = watchSignals() // before there is a socket that one could leave behind
	defer func() {
		if err != nil {
			if in.before != nil {
				in.before.Fail(err)
			}
			in.close()
		}
	}()
	if in.before, err = upgrade.Take(); err != nil {
		return nil, err
	}
	in.console = l.wantsConsole() && in.before == nil // whose terminal it is
	in.screen = in.console || in.before != nil && in.before.Offer.Screen
	if in.log, err = logfile.New(logConfig(file, in.screen)); err != nil {
		return nil, coded{exitUsage, err}
	}
	slog.SetDefault(in.log.Logger) // for what was made before there was a log, such as certificates
	node := nodeName(file, l)
	if in.access, err = access.New(node, accessConfig(file), in.log.Logger); err != nil {
		return nil, coded{exitUsage, err}
	}
	in.systemd = systemd.Take()
	cfg.Log, cfg.OnRecord, cfg.Inherited = in.log.Logger, in.access.Record, in.systemd.Claim
	if in.before != nil {
		o := &in.before.Offer
		in.systemd.Adopt(o.Activated)
		cfg.InheritedSockets, cfg.Closed = o.Doors, o.State.Engine.Closed
	}
	cfg.CutPredecessors = func(service, backend, reason string) { in.generations.cut(service, backend, reason) }
	if in.engine, err = proxy.New(cfg); err != nil {
		return nil, coded{exitUsage, err}
	}
	in.generations = newGenerations(in.engine)
	in.local = &api.Local{Engine: in.engine, By: userName() + "@" + node, Stop: in.askStop,
		Node: api.Node{Name: node, Version: versionText(), Started: time.Now(), ConfigHash: in.hash()}}
	in.local.Upgrade, in.local.Begin, in.local.Predecessors = in.upgrade, in.beginAct, in.generations.sources
	if in.before != nil { // which must not count less than anybody has seen
		in.local.Refresh = in.generations.refresh
		in.local.Shown = func() { in.before.Count(in.counted) }
	}
	if in.path != "" {
		in.local.Reload, in.local.Save, in.local.Text = in.reload, in.save, in.text
	}
	if in.notify, err = notify.Start(notifyConfig(file, node), in.local, in.log.Logger); err != nil {
		return nil, coded{exitUsage, err}
	}
	if in.fleet, err = in.prepareMesh(node, l); err != nil {
		return nil, err
	}
	if in.before == nil {
		if err = in.joinMesh(cmd.Context()); err != nil {
			return nil, err
		}
	}
	if in.control, err = in.openControl(cmd, node); err != nil {
		return nil, err
	}
	if in.metrics, err = in.openMetrics(file.Metrics.Listen); err != nil {
		return nil, err
	}
	if in.before != nil {
		err = in.takeOver()
	} else {
		err = in.restore()
	}
	if err == nil {
		err = in.engine.Start()
	}
	if err != nil {
		return nil, err
	}
	in.control.Start()
	if in.metrics != nil {
		in.metrics.Start()
	}
	in.access.Follow(in.local)
	if in.before != nil {
		in.follows.Add(1)
		go in.own(cmd.Context())
	}
	return in, nil
}

// close ends all that was made, in the order opposite to newInstance's.
func (in *instance) close() {
	in.acts.Wait()
	in.reloading.Lock() // one that is late finds the engine stopped
	if in.metrics != nil {
		in.metrics.Close()
	}
	if in.followers != nil {
		in.followers.Close()
	}
	in.reloading.Unlock()
	if in.generations != nil {
		in.generations.close()
	}
	if in.engine != nil {
		in.engine.Close()
	}
	if in.control != nil {
		in.control.Close()
	}
	if in.before != nil {
		in.before.Close()
		in.follows.Wait()
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
	in.signals.close()
	if in.log != nil {
		in.log.Close()
	}
}

// prepareMesh makes our part in the mesh of the file; nil where it has none.
func (in *instance) prepareMesh(node string, l *launch) (*fleet.Fleet, error) {
	c := l.mesh
	if c == nil {
		if in.file.Mesh == nil {
			return nil, nil
		}
		made, err := fleet.FromFile(in.file.Mesh, node)
		if err != nil {
			return nil, coded{exitUsage, err}
		}
		c = &made
	}
	c.Version, c.Log = versionText(), in.log.Logger
	if in.before != nil && c.Mesh.Key == nil {
		c.Mesh.Key = in.before.Offer.MeshKey // for peers it is the same node
	}
	return fleet.New(*c, in.local)
}

func (in *instance) joinMesh(ctx context.Context) error {
	if in.fleet == nil {
		return nil
	}
	return in.fleet.Join(ctx)
}

func logConfig(f *config.File, console bool) logfile.Config {
	return logfile.Config{Level: f.Log.Level, Format: f.Log.Format, File: f.Log.File, Console: console}
}

func accessConfig(f *config.File) access.Config {
	flush := f.Log.AccessFlush
	if flush == 0 {
		flush = -1 // off
	}
	return access.Config{File: f.Log.Access, Flush: flush}
}

func notifyConfig(f *config.File, node string) notify.Config {
	return notify.Config{Run: f.Notify.Run, On: f.Notify.On, Node: node}
}

// nodeName is what this node is called: as the mesh says, or as the host.
func nodeName(file *config.File, l *launch) string {
	switch {
	case l.mesh != nil:
		return l.mesh.Mesh.Node
	case file.Mesh != nil && file.Mesh.Node != "":
		return file.Mesh.Node
	}
	return hostName()
}

func hostName() string {
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}

func (in *instance) hash() string {
	if in.path == "" {
		return ""
	}
	return in.file.Hash()
}
