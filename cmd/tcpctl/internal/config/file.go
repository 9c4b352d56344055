// Package config is tcpctl's configuration file: TOML in, plain values out,
// and what is wrong with it by file and line.
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
// File and Service are the truth about names and defaults: the tag "toml" is
// the key, "default" what an absent key means, "oneof" all that a word may be,
// "min" is the least of a number (the engine, which has more to say about all of
// them, takes a negative one for off), "file" says what a path must lead to (file,
// folder, or new: what is not there yet) unless it is one of "words", "argv" marks a command, "secret"
// a string that may hold a password (query: behind its question mark), "single" a list that may be one string, and
// "addr" an address to listen on or to dial, "example" what the reference shows where init.toml says none, and "since"
// the version that has the key first. A pointer is a table that switches
// something on by being there.
package config

import (
	"io/fs"
	"time"
)

// File is one configuration file, whole: what it does not say has its
// default. Get one from Load or Parse, or from New.
type File struct {
	Control  Control   `toml:"control"`
	Metrics  Metrics   `toml:"metrics"`
	Log      Log       `toml:"log"`
	Notify   Notify    `toml:"notify"`
	History  History   `toml:"history"`
	Limits   Limits    `toml:"limits"`
	Defaults Defaults  `toml:"defaults"` // inherited by Services already
	Services []Service `toml:"services"` // in the order of the file
	Mesh     *Mesh     `toml:"mesh"`     // nil: no mesh
	Cluster  *Cluster  `toml:"cluster"`  // nil: no cluster
	Console  Console   `toml:"console"`

	name  string // as errors call it
	lines *index // where its keys are; nil when it was not read
	text  []byte
}

// Text is the file as it was read.
func (f *File) Text() string { return string(f.text) }

// Control is the socket that commands and consoles talk to.
type Control struct {
	// Socket is its path. "": as root /run/tcpctl/tcpctl.sock, else in
	// $XDG_RUNTIME_DIR or a folder of the user's.
	Socket string      `toml:"socket" file:"new" example:"\"/run/tcpctl/tcpctl.sock\""`
	Mode   fs.FileMode `toml:"mode" default:"0600"`
	Group  string      `toml:"group" example:"\"adm\""` // "": the user's
}

// Metrics is the HTTP server for Prometheus and for probes.
type Metrics struct {
	Listen string `toml:"listen" addr:"listen"` // "": none
}

// Log is what is written down.
type Log struct {
	Level       string        `toml:"level" default:"info" oneof:"debug info warn error"`
	Format      string        `toml:"format" default:"text" oneof:"text json"`
	File        string        `toml:"file" file:"new" example:"\"/var/log/tcpctl/tcpctl.log\""` // "": stderr, or memory under the console
	Access      string        `toml:"access" file:"new" example:"\"/var/log/tcpctl/access\""`   // one JSON line a session, at its end; "": none
	AccessFlush time.Duration `toml:"access_flush" default:"5m"`                                // a line so often for a session that goes on; 0: off
}

// Notify is a program that is run for events.
type Notify struct {
	Run []string `toml:"run" argv:"yes"` // gets the event as JSON on stdin; empty: no notifications
	On  []string `toml:"on" default:"backend.down pause.near_max queue.old window.alarm hook.failing"`
}

// History is the flight recorder.
type History struct {
	// File is its SQLite file. "": in the state folder; "memory": nothing on
	// disk; "off": none.
	File string        `toml:"file" file:"new" words:"memory off" example:"\"/var/lib/tcpctl/history.db\""`
	Keep time.Duration `toml:"keep" default:"30d"`
	Max  Size          `toml:"max" default:"256MiB"`
}

// Limits are those of the whole process.
type Limits struct {
	MaxSessions   int           `toml:"max_sessions" min:"0"` // 0: worked out from the descriptor limit
	ShutdownGrace time.Duration `toml:"shutdown_grace" default:"30s"`
}

// Defaults are the keys that a service has from [defaults] unless it sets
// them itself. A duration of 0 is off.
type Defaults struct {
	ConnectTimeout   time.Duration `toml:"connect_timeout" default:"3s"` // 0: as long as the system tries
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
	SecretFile string   `toml:"secret_file" file:"file"`                             // "": peers see, and cannot act
	Hubs       []string `toml:"hubs" example:"[\"edge-1\", \"edge-2\", \"edge-3\"]"` // nodes that all others link to past full_up_to; []: the cluster's voters
	FullUpTo   int      `toml:"full_up_to" default:"50" min:"1"`                     // nodes that all link to each other before they link to hubs only
}

// Console is the look of the console, and which acts it confirms.
type Console struct {
	Theme   string            `toml:"theme" default:"default"`
	Confirm string            `toml:"confirm" default:"default" oneof:"default always less"`
	Mouse   bool              `toml:"mouse"` // wheel and click select
	Keys    map[string]string `toml:"keys"`  // of an action; see CheckKeys
	SSH     ConsoleSSH        `toml:"ssh"`
}

// ConsoleSSH is the console over SSH, for people who have no tcpctl.
type ConsoleSSH struct {
	Listen         string `toml:"listen" addr:"listen"`                                                  // "": none
	HostKey        string `toml:"host_key" file:"file" example:"\"/etc/tcpctl/ssh_host_key\""`           // "": made in the state folder
	AuthorizedKeys string `toml:"authorized_keys" file:"file" example:"\"/etc/tcpctl/authorized_keys\""` // see package authkeys
}
