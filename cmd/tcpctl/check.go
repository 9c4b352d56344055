package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// checked is the result of check.
type checked struct {
	File     string           `json:"file"`
	OK       bool             `json:"ok"` // whether there are no errors; there may be warnings
	Findings []finding        `json:"findings"`
	Changes  *[]config.Change `json:"changes,omitempty"` // with --diff: what a reload would change
	*api.ErrorBody
}

// finding is one error or warning about a file.
type finding struct {
	Level   string `json:"level"` // error or warning
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`   // line, from 1
	Column  int    `json:"column,omitempty"` // column, from 1, in bytes
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func checkCommand() *cobra.Command {
	var path string
	var diff, asJSON bool
	cmd := &cobra.Command{
		Use: "check [-c FILE]", Short: "Check a configuration file, or show what a reload would change", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			file, _, err := loadFile(&path)
			c := checked{File: path, OK: err == nil, Findings: findings("error", err)}
			if err != nil {
				if !asJSON {
					return err
				}
				body := errorBody(err)
				c.ErrorBody = &body
				printJSON(cmd.OutOrStdout(), c)
				return reported{err}
			}
			x := file.Findings()
			x.Add(file.Warnings())
			fleet.WarnCluster(x, file.Cluster)
			warnings := x.Err()
			if !asJSON {
				all, _ := errors.AsType[config.Errors](warnings)
				for _, w := range all {
					fmt.Fprintln(cmd.ErrOrStderr(), "tcpctl: warning: "+w.Error())
				}
			}
			c.Findings = append(c.Findings, findings("warning", warnings)...)
			if diff {
				changes, err := diffRunning(cmd, file)
				if err != nil {
					return err
				}
				c.Changes = &changes
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			printChecked(cmd, &c)
			return nil
		},
	}
	fileFlag(cmd, &path)
	cmd.Flags().BoolVar(&diff, "diff", false, "show what a reload of the running instance would change")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func printChecked(cmd *cobra.Command, c *checked) {
	out := cmd.OutOrStdout()
	switch {
	case c.Changes == nil:
		fmt.Fprintf(out, "%s: configuration OK\n", c.File)
	case len(*c.Changes) == 0:
		fmt.Fprintln(out, "a reload would change nothing")
	default:
		for _, one := range *c.Changes {
			fmt.Fprintln(out, one.Text)
		}
	}
}

// findings lists the errors of a file, one by one if they can be separated.
func findings(level string, err error) []finding {
	all := []finding{}
	found, ok := errors.AsType[config.Errors](err)
	if !ok && err != nil {
		return append(all, finding{Level: level, Message: plainText(err)})
	}
	for _, e := range found {
		all = append(all, finding{level, e.File, e.Line, e.Column, e.Text, e.Hint})
	}
	return all
}

// diffRunning compares a file with the running instance's configuration.
func diffRunning(cmd *cobra.Command, file *config.File) ([]config.Change, error) {
	src := source(cmd)
	defer src.Close()
	running, err := src.Config(cmd.Context())
	if err != nil {
		return nil, err
	}
	old, err := config.Parse(running.Path, []byte(running.Text))
	if err != nil {
		return nil, fmt.Errorf("the running configuration: %w", err)
	}
	return append([]config.Change{}, config.Diff(old, file)...), nil
}
