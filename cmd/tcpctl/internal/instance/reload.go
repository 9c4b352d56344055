package instance

import (
	"context"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// reload reads the file again and applies it, and says what has changed; what
// is wrong changes nothing. Whoever comes second waits.
func (in *Instance) reload(by string) ([]string, error) {
	if in.predecessor != nil {
		in.predecessor.Settle(context.Background()) // it could not go back to what this leaves
	}
	in.reloading.Lock()
	defer in.reloading.Unlock()
	if h := in.handover.Load(); h != nil {
		return nil, h.refusal() // it has begun meanwhile
	}
	in.systemd.Reloading() // who is not there need not know
	defer in.notifyReady()
	file, cfg, err := in.c.Load(in.c.Path)
	if err != nil {
		return nil, api.Wrong(err.Error(), "")
	}
	old := in.File()
	// What could fail comes first, and is taken back where the rest fails.
	if err := in.log.Set(logConfig(file, in.isQuiet())); err != nil {
		return nil, err
	}
	undo := func(err error) ([]string, error) {
		in.log.Set(logConfig(old, in.isQuiet())) // it was right before
		return nil, err
	}
	served := in.metrics
	if file.Metrics.Listen != old.Metrics.Listen {
		if served, err = in.openMetrics(file.Metrics.Listen); err != nil {
			return undo(err)
		}
	}
	acted := in.engine.Handover().Save()
	if _, err = in.engine.Apply(cfg); err != nil {
		if served != nil && served != in.metrics {
			served.Close()
		}
		return undo(err)
	}
	if in.metrics != nil && served != in.metrics {
		in.metrics.Close()
	}
	if in.metrics = served; served != nil {
		served.Start()
	}
	for _, err := range []error{in.access.Set(accessConfig(file)), in.notify.Set(notifyConfig(file, in.node))} {
		if err != nil {
			in.log.Warn("reload: " + err.Error())
		}
	}
	in.setFile(file)
	changes := []string{}
	for _, c := range config.Diff(old, file) {
		changes = append(changes, c.Text)
	}
	warnings := in.reconcile(acted)
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

// isQuiet says whether lines on stderr would spoil the console, or meet no
// terminal any more.
func (in *Instance) isQuiet() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.quiet
}

// adopt makes a file the one that runs.
func (in *Instance) setFile(file *config.File) {
	in.mu.Lock()
	in.file = file
	if !in.c.GraceFixed {
		in.grace = file.Limits.ShutdownGrace
	}
	in.mu.Unlock()
	in.local.SetConfigHash(file.Hash())
}

// text is the configuration that runs, as it was read.
func (in *Instance) text() api.ConfigText {
	return api.ConfigText{Path: in.c.Path, Text: in.File().Text()}
}

// hangup reloads; where there is no file it says so. What comes of it is an
// event, and so in the log.
func (in *Instance) hangup() {
	if in.c.Path == "" {
		in.log.Info("hangup: there is no configuration file to reload")
		return
	}
	in.local.Do(context.Background(), api.Request{Act: "reload", By: "SIGHUP"})
}
