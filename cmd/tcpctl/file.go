package main

import (
	"errors"
	"fmt"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/history"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/protocol"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/themes"
	"github.com/tcpctl/tcpctl/tui"
)

// checkFile reads a file, checks all of it, and also returns the engine's configuration: each
// service with its TLS and its WebSocket. run, reload and check all call it, so that none accepts
// what another refuses, except that only opening a port shows whether it is free.
func checkFile(path string) (*config.File, proxy.Config, error) {
	file, err := config.Load(path)
	if err != nil {
		return nil, proxy.Config{}, err
	}
	found := file.Findings()
	cfg, err := file.Proxy()
	found.Add(err)
	found.Add(file.CheckKeys(tui.CheckKeys))
	found.Add(file.CheckSystem())
	for i := range cfg.Services {
		name := cfg.Services[i].Name
		err := protocol.Build(&cfg.Services[i], file.Service(name))
		var part *protocol.PartError
		switch {
		case errors.As(err, &part):
			found.Wrong(config.ServiceKey(name, part.Key), part.Hint, fmt.Errorf("service %q: %w", name, part.Err))
		case err != nil:
			found.Add(err)
		}
	}
	if m := file.Mesh; m != nil {
		if _, err := fleet.FromFile(m); err != nil {
			found.Wrong("mesh.secret_file", "", err)
		}
	}
	if err := (history.Config{Keep: file.History.Keep, Max: int64(file.History.Max)}).Validate(); err != nil {
		found.Wrong("history."+err.Key, err.Hint, err)
	}
	if name := file.Console.Theme; name != "" {
		if _, err := themes.Load(name, themeDir()); err != nil {
			found.Wrong("console.theme", "tcpctl themes lists them", err)
		}
	}
	if err := found.Err(); err != nil {
		return nil, proxy.Config{}, err
	}
	return file, cfg, nil
}
