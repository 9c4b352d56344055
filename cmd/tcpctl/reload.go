package main

import (
	"context"
	"os"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/metrics"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// reload reads the file again and applies it, and says what has changed; what
// is wrong changes nothing. Whoever comes second waits.
func (in *instance) reload(by string) ([]string, error) {
	if in.before != nil {
		in.before.Settle(context.Background()) // it could not go back to what this leaves
	}
	in.reloading.Lock()
	defer in.reloading.Unlock()
	if h := in.handover.Load(); h != nil {
		return nil, h.refusal() // it has begun meanwhile
	}
	in.systemd.Reloading() // who is not there need not know
	defer in.tellReady()
	file, cfg, err := judgeFile(in.path)
	if err != nil {
		return nil, api.Wrong(err.Error(), "")
	}
	old := in.current()
	// What could fail comes first, and is taken back where the rest fails.
	if err := in.log.Set(logConfig(file, in.onScreen())); err != nil {
		return nil, err
	}
	undo := func(err error) ([]string, error) {
		in.log.Set(logConfig(old, in.onScreen())) // it was right before
		return nil, err
	}
	served := in.metrics
	if file.Metrics.Listen != old.Metrics.Listen {
		if served, err = in.openMetrics(file.Metrics.Listen); err != nil {
			return undo(err)
		}
	}
	acted := in.engine.Save()
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
	for _, err := range []error{in.access.Set(accessConfig(file)), in.notify.Set(notifyConfig(file, in.local.Node.Name))} {
		if err != nil {
			in.log.Warn("reload: " + err.Error())
		}
	}
	in.adopt(file)
	changes := []string{}
	for _, c := range config.Diff(old, file) {
		changes = append(changes, c.Text)
	}
	warnings := in.overruled(acted)
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

// openMetrics takes the address that they are served on; nil where there is
// none.
func (in *instance) openMetrics(addr string) (*metrics.Server, error) {
	if addr == "" {
		return nil, nil
	}
	var socket *os.File
	if b := in.before; b != nil && b.Offer.MetricsAddr == addr {
		socket, b.Offer.Metrics = b.Offer.Metrics, nil
	}
	return metrics.Open(addr, in.local, metrics.Options{Log: in.log.Logger, Socket: socket, MaxConns: proxy.NewDescriptors(0).Metrics,
		Dropped: map[string]func() uint64{"access_lines": in.access.Lost, "log_lines": in.log.Lost, "notify_events": in.notify.Dropped}})
}

// current is the file that runs.
func (in *instance) current() *config.File {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.file
}

// onScreen says whether lines on stderr would spoil the console, or meet no
// terminal any more.
func (in *instance) onScreen() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.screen
}

// adopt makes a file the one that runs.
func (in *instance) adopt(file *config.File) {
	in.mu.Lock()
	in.file = file
	if !in.graceSet {
		in.grace = file.Limits.ShutdownGrace
	}
	in.mu.Unlock()
	in.local.SetConfigHash(file.Hash())
}

// text is the configuration that runs, as it was read.
func (in *instance) text() api.ConfigText {
	return api.ConfigText{Path: in.path, Text: in.current().Text()}
}

// hangup reloads; where there is no file it says so. What comes of it is an
// event, and so in the log.
func (in *instance) hangup() {
	if in.path == "" {
		in.log.Info("hangup: there is no configuration file to reload")
		return
	}
	in.local.Do(context.Background(), api.Request{Act: "reload", By: "SIGHUP"})
}
