// Package config reads tcpctl's configuration file: TOML in, plain values out,
// and errors with file and line.
//
//	path, err := config.Find()
//	...
//	file, err := config.Load(path) // config.Errors, all of them at once
//	...
//	engineConfig, err := file.Proxy()
//	...
//	for _, c := range config.Diff(file, reloaded) {
//		fmt.Println(c.Text)
//	}
//
// The tags of File and Service define the keys: "toml" is the key, "default" its
// default, "oneof" the words that it takes, "min" the least number (the engine
// validates further; to it a negative number is off), "file" what a path must lead
// to (file, folder, or new: it need not exist) unless it is one of "words". "argv"
// marks a command, "secret" a string that may hold a password (query: after its
// question mark), "single" a list that may be one string, "addr" an address to
// listen on or to dial. "example" is shown in the reference if init.toml has none,
// and "since" is the first version with the key. A pointer is a table whose
// presence enables something.
package config

import (
	"io/fs"
	"time"
)

// File is one complete configuration file: absent keys have their defaults.
// Load, Parse and New return one.
type File struct {
	Control  Control   `toml:"control"`
	Metrics  Metrics   `toml:"metrics"`
	Log      Log       `toml:"log"`
	Notify   Notify    `toml:"notify"`
	History  History   `toml:"history"`
	Limits   Limits    `toml:"limits"`
	Defaults Defaults  `toml:"defaults"` // Services have inherited them already
	Services []Service `toml:"services"` // in the order of the file
	Mesh     *Mesh     `toml:"mesh"`     // nil: no mesh
	Cluster  *Cluster  `toml:"cluster"`  // nil: no cluster
	Console  Console   `toml:"console"`

	name  string // its name in errors
	lines *index // where its keys are; nil if it was not parsed
	text  []byte
}

// Text is the file as it was read.
func (f *File) Text() string { return string(f.text) }

// Control is the socket that commands and consoles talk to.
type Control struct {
	// Socket is its path. "": /run/tcpctl/tcpctl.sock as root, else in
	// $XDG_RUNTIME_DIR or a folder of the user.
	Socket string      `toml:"socket" file:"new" example:"\"/run/tcpctl/tcpctl.sock\""`
	Mode   fs.FileMode `toml:"mode" default:"0600"`
	Group  string      `toml:"group" example:"\"adm\""` // "": the process's
}

// Metrics is the HTTP server for Prometheus and for probes.
type Metrics struct {
	Listen string `toml:"listen" addr:"listen"` // "": none
}

// Log is the log and the access log.
type Log struct {
	Level       string        `toml:"level" default:"info" oneof:"debug info warn error"`
	Format      string        `toml:"format" default:"text" oneof:"text json"`
	File        string        `toml:"file" file:"new" example:"\"/var/log/tcpctl/tcpctl.log\""` // "": stderr, or memory under the console
	Access      string        `toml:"access" file:"new" example:"\"/var/log/tcpctl/access\""`   // one JSON line per session, at its end; "": none
	AccessFlush time.Duration `toml:"access_flush" default:"5m"`                                // how often a live session gets a line; 0: only at its end
}

// Notify is a command that is run for events.
type Notify struct {
	Run []string `toml:"run" argv:"yes"` // gets the event as JSON on stdin; empty: no notifications
	On  []string `toml:"on" default:"backend.down pause.near_max queue.old window.alarm hook.failing"`
}

// History is the flight recorder, a file of samples, events and reports.
type History struct {
	// File is its SQLite file. "": in the state folder; "memory": nothing on
	// disk; "off": none.
	File string        `toml:"file" file:"new" words:"memory off" example:"\"/var/lib/tcpctl/history.db\""`
	Keep time.Duration `toml:"keep" default:"30d"`
	Max  Size          `toml:"max" default:"256MiB"`
}

// Limits are limits of the whole process.
type Limits struct {
	MaxSessions   int           `toml:"max_sessions" min:"0"` // of all services; 0: derived from the file descriptor limit
	ShutdownGrace time.Duration `toml:"shutdown_grace" default:"30s"`
}

// Defaults are the keys that a service inherits from [defaults] unless it sets
// them itself. A duration of 0 is off.
type Defaults struct {
	ConnectTimeout   time.Duration `toml:"connect_timeout" default:"3s"` // 0: the system's
	ConnectRetries   int           `toml:"connect_retries" default:"2" min:"0"`
	IdleTimeout      time.Duration `toml:"idle_timeout" default:"0s"`
	HalfCloseTimeout time.Duration `toml:"half_close_timeout" default:"1m"`
	MaxLifetime      time.Duration `toml:"max_lifetime" default:"0s"`
	Keepalive        time.Duration `toml:"keepalive" default:"60s"`
	UserTimeout      time.Duration `toml:"user_timeout" default:"0s"`
	Nodelay          bool          `toml:"nodelay" default:"true"`
	Backlog          int           `toml:"backlog" min:"0"` // 0: the system's
	Relay            string        `toml:"relay" default:"auto" oneof:"auto loop stream"`
	NoBackend        string        `toml:"no_backend" default:"hold" oneof:"hold reject"`
}

// Mesh links this node with others.
type Mesh struct {
	Name       string   `toml:"name"`
	Node       string   `toml:"node" example:"\"edge-01\""` // "": the host's name
	Listen     string   `toml:"listen" default:"0.0.0.0:0" addr:"listen"`
	Join       []string `toml:"join"`
	MDNS       bool     `toml:"mdns" default:"true"`
	SecretFile string   `toml:"secret_file" file:"file"`                             // "": peers can see this node but not act on it
	Hubs       []string `toml:"hubs" example:"[\"edge-1\", \"edge-2\", \"edge-3\"]"` // in a mesh of more than full_up_to nodes, the others link to these only; []: the cluster's voters
	FullUpTo   int      `toml:"full_up_to" default:"50" min:"1"`                     // most nodes that all link to each other
}

// Console is the look of the console, and which acts it confirms.
type Console struct {
	Theme   string            `toml:"theme" default:"default"`
	Confirm string            `toml:"confirm" default:"default" oneof:"default always less"`
	Mouse   bool              `toml:"mouse"` // wheel and click select; false: the mouse is the terminal's
	Keys    map[string]string `toml:"keys"`  // keys by action, as action = "key"; see CheckKeys
	SSH     ConsoleSSH        `toml:"ssh"`
}

// ConsoleSSH is the console over SSH, for people without tcpctl.
type ConsoleSSH struct {
	Listen         string `toml:"listen" addr:"listen"`                                                  // "": none
	HostKey        string `toml:"host_key" file:"file" example:"\"/etc/tcpctl/ssh_host_key\""`           // "": generated in the state folder
	AuthorizedKeys string `toml:"authorized_keys" file:"file" example:"\"/etc/tcpctl/authorized_keys\""` // see package authkeys
}
