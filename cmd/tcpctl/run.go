package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/front"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

func runCommand() *cobra.Command {
	var l launch
	cmd := &cobra.Command{
		Use: "run [-c FILE]", Short: "Run a configuration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runFile(cmd, &l) },
	}
	fileFlag(cmd, &l.path)
	launchFlags(cmd, &l)
	return cmd
}

// fileFlag gives a command the flag for a configuration file.
func fileFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "the configuration `FILE` (default: the user's own, then /etc/tcpctl/tcpctl.toml)")
}

// runFile runs the file of l, or the one that is found.
func runFile(cmd *cobra.Command, l *launch) error {
	file, err := loadFile(&l.path)
	if err != nil {
		return err
	}
	cfg, err := engineConfig(file)
	if err != nil {
		return err
	}
	if !cmd.Flags().Changed("grace") {
		l.grace = file.Limits.ShutdownGrace
	}
	in, err := newInstance(cmd, file, cfg, l)
	if err != nil {
		return err
	}
	return in.serve()
}

// loadFile reads the file at path, or finds one and says where.
func loadFile(path *string) (*config.File, error) {
	if *path == "" {
		found, err := config.Find()
		if errors.Is(err, config.ErrNone) {
			return nil, usage("%v; try: tcpctl init > tcpctl.toml, or tcpctl demo", err)
		}
		if err != nil {
			return nil, coded{exitUsage, err}
		}
		*path = found
	}
	file, err := config.Load(*path)
	if err != nil {
		return nil, coded{exitUsage, err}
	}
	return file, nil
}

// engineConfig is what the engine runs of a file, with what stands in front
// of each service.
func engineConfig(file *config.File) (proxy.Config, error) {
	cfg, err := file.Proxy()
	if err != nil {
		return cfg, coded{exitUsage, err}
	}
	for i := range cfg.Services {
		if err := front.Build(&cfg.Services[i], file.Service(cfg.Services[i].Name)); err != nil {
			return cfg, coded{exitUsage, err}
		}
	}
	return cfg, nil
}

// reload reads the file again and applies it; what is wrong changes nothing.
func (in *instance) reload(by string) ([]string, error) {
	in.systemd.Reloading() // who is not there need not know
	defer in.tellReady()
	file, err := config.Load(in.path)
	if err != nil {
		return nil, err
	}
	cfg, err := engineConfig(file)
	if err != nil {
		return nil, err
	}
	// What could fail comes first, here too.
	if err := in.log.Set(logConfig(file, in.console)); err != nil {
		return nil, err
	}
	changes, err := in.engine.Apply(cfg)
	if err != nil {
		return nil, err
	}
	for _, err := range []error{in.access.Set(accessConfig(file)), in.notify.Set(notifyConfig(file, in.local.Node.Name))} {
		if err != nil {
			in.log.Warn("reload: " + err.Error())
		}
	}
	for _, c := range config.Diff(in.file, file) {
		if c.Service == "" && !slices.Contains(changes, c.Text) {
			changes = append(changes, c.Text+restartNeeded(c.Key))
		}
	}
	in.file = file
	in.local.SetConfigHash(file.Hash())
	return changes, nil
}

// restartNeeded says so for what is only read at the start.
func restartNeeded(key string) string {
	for _, table := range []string{"control.", "metrics.", "mesh.", "console."} {
		if strings.HasPrefix(key, table) {
			return " (at the next start)"
		}
	}
	return ""
}

// bare is tcpctl without a command: attach where an instance answers, else
// run what is configured, else say what to do first.
func bare(cmd *cobra.Command, l *launch) error {
	path, _ := cmd.Flags().GetString("socket")
	if path == "" {
		path = control.DefaultPath()
	}
	if control.Answers(path) && l.path == "" {
		if !l.wantsConsole() {
			return fmt.Errorf("an instance answers on %s already; try: tcpctl status", path)
		}
		return attach(cmd, false)
	}
	if _, err := config.Find(); l.path == "" && errors.Is(err, config.ErrNone) {
		return usage("nothing runs here, and there is no configuration; try: tcpctl demo, or tcpctl init > tcpctl.toml")
	}
	return runFile(cmd, l)
}

func checkCommand() *cobra.Command {
	var path string
	var diff, asJSON bool
	cmd := &cobra.Command{
		Use: "check [-c FILE]", Short: "Say what is wrong with a configuration, or what a reload would change", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := loadFile(&path)
			if err != nil {
				return err
			}
			if _, err := engineConfig(file); err != nil {
				return err
			}
			for _, w := range file.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: warning: "+w.Error())
			}
			if !diff {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is right\n", path)
				return nil
			}
			return diffRunning(cmd, file, asJSON)
		},
	}
	fileFlag(cmd, &path)
	cmd.Flags().BoolVar(&diff, "diff", false, "say what a reload of the running instance would change")
	cmd.Flags().BoolVar(&asJSON, "json", false, "with --diff: print JSON")
	return cmd
}

// diffRunning compares a file with what the running instance has.
func diffRunning(cmd *cobra.Command, file *config.File, asJSON bool) error {
	src := source(cmd)
	defer src.Close()
	running, err := src.Config(cmd.Context())
	if err != nil {
		return err
	}
	old, err := config.Parse(running.Path, []byte(running.Text))
	if err != nil {
		return fmt.Errorf("the running configuration: %w", err)
	}
	changes := config.Diff(old, file)
	if asJSON {
		return printJSON(cmd.OutOrStdout(), changes)
	}
	if len(changes) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "a reload would change nothing")
	}
	for _, c := range changes {
		fmt.Fprintln(cmd.OutOrStdout(), c.Text)
	}
	return nil
}

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Print a commented configuration to begin with", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := os.Stdout.Write(config.Init())
			return err
		},
	}
}

// text is the configuration that runs, as it was read.
func (in *instance) text() api.ConfigText { return api.ConfigText{Path: in.path, Text: in.file.Text()} }
