package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// durationVar is the flag set's DurationVar with the configuration's syntax.
func durationVar(f *pflag.FlagSet, p *time.Duration, name string, value time.Duration, help string) {
	*p = value
	f.Var((*duration)(p), name, help)
}

type duration time.Duration

func (d *duration) Set(s string) error {
	to, err := durationOf(s)
	if err == nil {
		*d = duration(to)
	}
	return err
}

func (d *duration) String() string {
	if *d == 0 {
		return "0" // in the help, this means no default
	}
	return time.Duration(*d).String()
}

func (d *duration) Type() string { return "duration" }

func durationOf(s string) (time.Duration, error) {
	d, err := text.ParseDuration(s)
	if d < 0 {
		err = errors.New("is negative")
	}
	return d, err
}

// flagUsage gives an error about a flag its hint.
func flagUsage(cmd *cobra.Command, err error) error {
	if refusal, ok := errors.AsType[*api.Error](err); ok {
		return refusal
	}
	if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
		switch name := missing.GetSpecifiedName(); {
		case name == "peer":
			return usage("%s works on this machine and does not take --peer; leave it out", commandName(cmd))
		case text.IsNumber(name[:1]):
			err = fmt.Errorf("-%s is not a flag, and a number below 0 is not accepted", name)
		}
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = fmt.Errorf("--%s %q %s", wrong.GetFlag().Name, wrong.GetValue(), wrongValue(wrong))
	}
	return usage("%v; try: %s --help", err, cmd.CommandPath())
}

// wrongValue says, after the value of a flag, what is wrong with it, without strconv's jargon.
func wrongValue(e *pflag.InvalidValueError) string {
	switch e.GetFlag().Value.Type() {
	case "int":
		if errors.Is(e, strconv.ErrRange) {
			return "is out of range"
		}
		return "is not a whole number"
	case "bool":
		return "is not true or false"
	case "duration":
		if errors.Is(e, text.ErrNotDuration) {
			return "is not a duration like 500ms, 30s, 5m or 1h30m"
		}
	}
	return e.Unwrap().Error()
}

// source returns a client of the instance that a command asks, or of a peer through it.
func source(cmd *cobra.Command) *control.Client {
	path, _ := cmd.Flags().GetString("socket")
	c := control.Dial(cmp.Or(path, control.DefaultPath()))
	if peer, _ := cmd.Flags().GetString("peer"); peer != "" && peer != allPeers {
		return c.Peer(peer)
	}
	return c
}
