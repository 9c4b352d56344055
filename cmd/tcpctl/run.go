package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy"
)

func runCommand() *cobra.Command {
	var l launch
	cmd := &cobra.Command{
		Use: "run [-c FILE]", Short: "Run the services of a configuration file", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return runFile(cmd, &l) },
	}
	fileFlag(cmd, &l.path)
	launchFlags(cmd, &l)
	return cmd
}

// fileFlag gives a command the flag for a configuration file.
func fileFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration `FILE` (default: the user's own, then /etc/tcpctl/tcpctl.toml)")
}

// runFile runs the file at l's path, or the default one.
func runFile(cmd *cobra.Command, l *launch) error {
	file, cfg, err := loadFile(&l.path)
	if err != nil {
		return err
	}
	return l.run(cmd, file, cfg)
}

// loadFile reads the file at path, or finds the default one and sets path.
func loadFile(path *string) (*config.File, proxy.Config, error) {
	if *path == "" {
		found, err := config.Find()
		if errors.Is(err, config.ErrNone) {
			return nil, proxy.Config{}, usage("%v; try: tcpctl init > tcpctl.toml, or tcpctl demo", err)
		}
		if err != nil {
			return nil, proxy.Config{}, coded{exitUsage, err}
		}
		*path = found
	}
	file, cfg, err := checkFile(*path)
	if err != nil {
		err = coded{exitUsage, err}
	}
	return file, cfg, err
}

// bare is tcpctl without a command: it attaches to a running instance, otherwise runs the
// configuration, otherwise says what to do first.
func bare(cmd *cobra.Command, l *launch) error {
	path, _ := cmd.Flags().GetString("socket")
	path = cmp.Or(path, control.DefaultPath())
	if control.Answers(path) && l.path == "" {
		if !l.wantsConsole() {
			return fmt.Errorf("an instance already answers on %s; try: tcpctl status", path)
		}
		return attach(cmd, false)
	}
	if _, err := config.Find(); l.path == "" && errors.Is(err, config.ErrNone) {
		return usage("no instance runs here, and there is no configuration file; try: tcpctl demo, or tcpctl init > tcpctl.toml")
	}
	return runFile(cmd, l)
}

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init", Short: "Print a commented configuration file to start from", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := cmd.OutOrStdout().Write(config.Init())
			return err
		},
	}
}
