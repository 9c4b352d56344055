package instance

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/access"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/discover"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/filewatch"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/history"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/logfile"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/notify"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/systemd"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

func (in *Instance) openLogs() (err error) {
	if in.log, err = logfile.New(logConfig(in.file, in.quiet)); err != nil {
		return err
	}
	slog.SetDefault(in.log.Logger) // for parts made before the log, such as certificates
	if in.access, err = access.New(in.node, accessConfig(in.file), in.log.Logger); err != nil {
		return err
	}
	in.history = history.New(historyConfig(in.c.Path, in.file), in.log.Logger)
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
	c.OmitListener = func() bool { return !in.access.Writes() }
	if in.predecessor != nil {
		o := &in.predecessor.Offer
		in.systemd.Adopt(o.Activated)
		c.InheritedSockets, c.Closed = o.Listeners, o.State.Engine.Closed
	}
	c.CutPredecessors = func(service, backend, reason string) { in.predecessors.reset(service, backend, reason) }
	c.QuietPredecessors = func(q proxy.QuietDrains) { in.predecessors.quiet(q) }
	in.member = newMembership(in.file.Cluster, in.log.Logger)
	if err = in.member.share(c.Services, in.file.Cluster); err != nil {
		return err
	}
	if in.engine, err = proxy.New(c); err != nil {
		return err
	}
	in.predecessors = newPredecessors(in.engine)
	in.sources, in.files = discover.NewManager(in.engine), filewatch.New()
	in.state.engine = in.engine
	if in.predecessor == nil { // a predecessor passes on more than the file has
		proxy.HandoverOf(in.engine).Remember(in.history.Past())
	}
	in.local = &api.Local{Engine: in.engine, By: control.UserName(os.Getuid()) + "@" + in.node, Stop: in.Stop, Grace: in.currentGrace,
		Node: api.Node{Name: in.node, Version: in.c.Version, Started: time.Now()}, History: in.history}
	in.local.Upgrade, in.local.Begin, in.local.Predecessors = in.upgrade, in.beginAct, in.predecessors.sources
	in.local.Certificates = in.certificates
	if in.member != nil {
		in.local.Across = in.member
	}
	if in.predecessor != nil { // no count may be lower than one already shown
		in.local.Refresh = in.predecessors.refresh
		in.local.Shown = func() { in.predecessor.Count(remainingOf(in.engine)) }
	}
	if in.c.Path != "" {
		in.state.path = in.c.Path + ".state"
		in.local.Node.ConfigHash = in.file.Hash()
		now := time.Now() // of the load at the start
		r := &reloads{info: api.ReloadInfo{OK: true, At: now, LoadedAt: now}}
		in.local.Reload, in.local.Reloads, in.local.Save = r.counted(in.reload), r.last, in.save
		in.local.Text = func() api.ConfigText { return api.ConfigText{Path: in.c.Path, Text: in.File().Text()} }
	}
	return nil
}

func (in *Instance) startNotify() (err error) {
	in.notify, err = notify.Start(notifyConfig(in.file, in.node), in.local, in.log.Logger)
	return err
}

// openMesh creates this node's part in the mesh. A successor joins only later, since the
// predecessor is the same node.
func (in *Instance) openMesh(ctx context.Context) (err error) {
	c := in.c.Mesh
	if c == nil {
		if in.file.Mesh == nil {
			return (*fleet.Cluster)(nil).Takes(in.predecessor.Cluster())
		}
		made, err := fleet.FromFile(in.file.Mesh)
		if err != nil {
			return &ConfigError{err}
		}
		c = &made
	}
	if c.Cluster, err = fleet.ClusterFromFile(in.file.Cluster); err != nil {
		return &ConfigError{err}
	}
	if c.Cluster != nil && in.member != nil {
		c.Cluster.Joined, c.Cluster.Member = in.member.join, in.member.Member
	}
	c.Version, c.Log = in.c.Version, in.log.Logger
	if in.predecessor == nil {
		if in.fleet, err = fleet.New(*c, in.local); err == nil {
			err = in.fleet.Join(ctx)
		}
		return err
	}
	o := &in.predecessor.Offer
	if c.Mesh.Key == nil {
		c.Mesh.Key = o.MeshKey // peers see the same node
	}
	if err = c.Cluster.Takes(o.Cluster); err == nil {
		in.fleet, err = fleet.New(*c, in.local)
	}
	if err == nil {
		err = in.fleet.TakeOver(o.Cluster)
	}
	return err
}

// openServers opens the control socket and the metrics' address, which are served once the instance
// starts.
func (in *Instance) openServers(context.Context) (err error) {
	if in.control, err = in.openControl(); err == nil {
		in.metrics, err = in.openMetrics(in.file.Metrics.Listen)
	}
	if err == nil {
		in.ssh, err = in.openSSH(&in.file.Console.SSH)
	}
	return err
}

// releaseServers closes them in a process of which another one serves their sockets.
func (in *Instance) releaseServers() {
	if in.control != nil {
		in.control.Release()
	}
	if in.metrics != nil {
		in.metrics.Release()
	}
	if in.ssh != nil {
		in.ssh.Release()
	}
}

func (in *Instance) start(ctx context.Context) (err error) {
	if in.c.Path != "" {
		in.sources.Keep(in.c.Path+".found", func(err error) { in.log.Warn(err.Error()) })
	}
	if in.predecessor != nil {
		err = in.takeOver()
	} else {
		in.sources.Restore(in.file.Discover()) // before operators' changes to these backends
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
	in.watch(in.file, in.c.Engine.Services)
	in.control.Start()
	if in.metrics != nil {
		in.metrics.Start()
	}
	if in.ssh != nil {
		in.ssh.Start()
	}
	in.access.Follow(in.local, in.local.Engine.Operator().Note)
	if in.predecessor != nil {
		in.owning.Go(func() { in.takeOwnership(ctx) })
	}
	if in.c.Path == "" {
		return nil
	}
	for _, w := range in.File().Warnings() { // not in.file: there may have been a reload
		in.log.Warn(w.Error())
	}
	if platformNote != "" {
		in.log.Warn(platformNote)
	}
	return nil
}
