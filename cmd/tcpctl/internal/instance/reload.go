package instance

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/protocol"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// reload reads the file again, applies it, and returns the changes, one sentence each. A file with
// an error changes nothing. Reloads run one at a time.
func (in *Instance) reload(by string) ([]string, error) {
	if in.predecessor != nil {
		in.predecessor.Settle(context.Background()) // after this reload, the predecessor could not take over again
	}
	in.reloading.Lock()
	defer in.reloading.Unlock()
	if h := in.handover.Load(); h != nil {
		return nil, h.refusal() // a handover has begun meanwhile
	}
	in.systemd.Reloading() // an error means that no systemd listens
	defer in.notifyReady()
	if info, err := os.Stat(in.c.Path); err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeDevice) != 0 {
		return nil, api.Wrong(in.c.Path+": it is not a regular file, and can be read only once", "start tcpctl with a file to reload it")
	}
	file, engine, err := in.c.Load(in.c.Path)
	if err != nil {
		return nil, api.Wrong(err.Error(), "")
	}
	if err := in.member.share(engine.Services, file.Cluster); err != nil {
		return nil, api.Wrong(err.Error(), "")
	}
	old, before := in.File(), proxy.HandoverOf(in.engine).Save()
	if err := in.apply(file, old, engine); err != nil {
		return nil, err
	}
	in.setFile(file, engine.Services)
	changes := []string{}
	for _, c := range config.Diff(old, file) {
		changes = append(changes, c.Text)
	}
	if in.c.Mesh == nil && old.Mesh != nil && file.Mesh != nil && old.Mesh.SecretFile == file.Mesh.SecretFile && in.fleet.HasOtherSecrets(file.Mesh) {
		changes = append(changes, "mesh.secret_file has other secrets (at the next start)")
	}
	warnings := in.state.reconcile(before)
	for _, w := range file.Warnings() {
		warnings = append(warnings, w.Error())
	}
	if len(changes) == 0 && len(warnings) > 0 {
		changes = append(changes, "nothing has changed")
	}
	for _, w := range warnings {
		changes = append(changes, "warning: "+w)
	}
	return changes, nil
}

// apply applies a file to the log, the metrics and the engine. Steps that can fail come first, and
// are undone if a later one fails.
func (in *Instance) apply(file, old *config.File, engine proxy.Config) (err error) {
	if err := in.log.Set(logConfig(file, in.isQuiet())); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			in.log.Set(logConfig(old, in.isQuiet())) // cannot fail: it worked before
		}
	}()
	served := in.metrics
	if file.Metrics.Listen != old.Metrics.Listen {
		if served, err = in.openMetrics(file.Metrics.Listen); err != nil {
			return err
		}
	}
	next, err := in.reloadSSH(&file.Console.SSH, &old.Console.SSH)
	if err == nil {
		_, err = in.engine.Apply(engine)
	}
	if err != nil {
		if next.server != nil && next.server != in.ssh {
			next.server.Close()
		}
		if served != nil && served != in.metrics {
			served.Close()
		}
		return err
	}
	in.watch(file, engine.Services)
	if in.fleet != nil && file.Cluster != nil {
		in.fleet.SetVoters(file.Cluster.Voters)
	}
	if in.metrics != nil && served != in.metrics {
		in.metrics.Close()
	}
	if in.metrics = served; served != nil {
		served.Start()
	}
	in.history.Set(historyConfig(in.c.Path, file))
	in.setSSH(next)
	for _, err := range []error{in.access.Set(accessConfig(file)), in.notify.Set(notifyConfig(file, in.node))} {
		if err != nil {
			in.log.Warn("reload: " + err.Error())
		}
	}
	return nil
}

// watch sets the sources of backends from a file, and watches the other files of the services. The
// engine must already have the services.
func (in *Instance) watch(file *config.File, services []proxy.ServiceConfig) {
	if err := in.sources.Set(file.Discover()); err != nil {
		in.log.Warn("discover: " + err.Error())
	}
	in.files.Set(protocol.Files(services, in.engine.Operator().Note))
}

// save saves what an act with --save has done to a backend. It waits for a reload in progress.
func (in *Instance) save(backend string, r *api.Request) error {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	return in.state.keep(backend, r)
}

// isQuiet reports whether log lines must not go to stderr: they would spoil the console, or the
// terminal is lost.
func (in *Instance) isQuiet() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.quiet
}

// setFile sets the configuration in force.
func (in *Instance) setFile(file *config.File, services []proxy.ServiceConfig) {
	in.mu.Lock()
	in.file, in.services = file, services
	if !in.c.GraceFixed {
		in.grace = file.Limits.ShutdownGrace
	}
	in.mu.Unlock()
	in.local.SetConfigHash(file.Hash())
}

// certificates returns the certificates that clients get now. Files are read without holding a lock
// of the instance.
func (in *Instance) certificates() []api.CertificateInfo {
	in.mu.Lock()
	services := in.services
	in.mu.Unlock()
	return protocol.Certificates(services)
}

// hangup reloads on SIGHUP; without a file, it logs that. The result is an event, and so in the
// log.
func (in *Instance) hangup() {
	if in.c.Path == "" {
		in.log.Info("SIGHUP: there is no configuration file to reload")
		return
	}
	in.local.Do(context.Background(), api.Request{Act: "reload", By: "SIGHUP"})
}

// reloads records the results of reloads, for the status.
type reloads struct {
	mu   sync.Mutex
	info api.ReloadInfo
}

// counted wraps a reload to record its result.
func (r *reloads) counted(reload func(by string) ([]string, error)) func(by string) ([]string, error) {
	return func(by string) ([]string, error) {
		changes, err := reload(by)
		r.add(err)
		return changes, err
	}
}

func (r *reloads) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := &r.info
	i.At, i.OK, i.Error = time.Now(), err == nil, ""
	if err != nil {
		i.Error = err.Error()
		i.Failed++
		return
	}
	i.LoadedAt = i.At
	i.Applied++
}

// last returns the result of the last reload.
func (r *reloads) last() *api.ReloadInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.info
	return &i
}
