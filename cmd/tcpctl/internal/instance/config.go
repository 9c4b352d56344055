package instance

import (
	"cmp"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/access"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/history"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/logfile"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/notify"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/sshd"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/proxy"
)

// Config is what an instance is made from.
type Config struct {
	// File is what Load has made of the file at Path. Where there is no file,
	// Path is "", and File has the defaults.
	File *config.File
	Path string
	// Engine is what the engine runs. The instance adds the log, the access
	// log and inherited sockets.
	Engine proxy.Config
	// Load reads and checks the file at a path, for a reload.
	Load func(path string) (*config.File, proxy.Config, error)

	Version string        // of the program
	Socket  string        // path of the control socket; "": the file's, else the default
	Mesh    *fleet.Config // to join; nil: the file's
	// Grace is how long sessions may take at a stop. A reload sets it to the
	// file's, unless a flag has set it: GraceFixed.
	Grace      time.Duration
	GraceFixed bool
	// NoUpgrade is why no other process can take over from this one; "": one can.
	NoUpgrade string

	// Console shows the console; nil: there is none. Stderr is where the
	// operator at its terminal reads what the log does not show there.
	Console Console
	// Remote shows a console to a client over SSH; nil: none can be.
	Remote func(ctx context.Context, in *Instance, s *sshd.Session) error
	Stderr io.Writer
}

// Console shows an instance's console until its operator leaves it, ctx ends,
// or hangup reports that its terminal is lost.
type Console func(ctx context.Context, in *Instance, hangup <-chan struct{}) (ConsoleEnd, error)

// ConsoleEnd is how a console has ended.
type ConsoleEnd int

const (
	ConsoleClosed   ConsoleEnd = iota // by its context, or by an error
	ConsoleDetached                   // its operator has closed it, and the instance serves on
	ConsoleHungUp                     // its terminal is lost
)

// ConfigError says that an instance cannot be made as it is configured.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// nodeName returns the name of this node: that in the mesh, or else the host's.
func (c *Config) nodeName() string {
	switch {
	case c.Mesh != nil:
		return c.Mesh.Mesh.Node
	case c.File.Mesh != nil && c.File.Mesh.Node != "":
		return c.File.Mesh.Node
	}
	return fleet.HostName()
}

func logConfig(f *config.File, console bool) logfile.Config {
	return logfile.Config{Level: f.Log.Level, Format: f.Log.Format, File: f.Log.File, Console: console}
}

func accessConfig(f *config.File) access.Config {
	flush := cmp.Or(f.Log.AccessFlush, -1) // off
	return access.Config{File: f.Log.Access, Flush: flush}
}

// historyConfig returns where an instance keeps its history: without a configuration file, in
// memory.
func historyConfig(path string, f *config.File) history.Config {
	c := history.Config{File: f.History.File, Keep: f.History.Keep, Max: int64(f.History.Max)}
	switch {
	case path == "" && c.File == "":
		c.File = history.Memory
	case c.File == "":
		c.File = historyFile(path)
	case c.File != history.Memory && c.File != history.Off:
		if path, err := filepath.Abs(c.File); err == nil {
			c.File = path
		}
	}
	return c
}

// historyFile returns the file in the state folder: history.db for configurations at a default
// path, and a separate one for any other, so that two instances do not share one. Without a state
// folder, the history is in memory.
func historyFile(path string) string {
	name := "history.db"
	if abs, err := filepath.Abs(path); err == nil && !config.Standard(abs) {
		base := strings.TrimSuffix(filepath.Base(abs), ".toml")
		name = fmt.Sprintf("history-%s-%x.db", base, crc32.ChecksumIEEE([]byte(abs)))
	}
	dir, err := statedir.Make("")
	if err != nil {
		return history.Memory
	}
	return filepath.Join(dir, name)
}

func notifyConfig(f *config.File, node string) notify.Config {
	return notify.Config{Run: f.Notify.Run, On: f.Notify.On, Node: node}
}
