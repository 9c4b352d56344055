// Package upgrade replaces a running instance by a new process, which may be
// another binary, without refusing a client: the sockets that clients come to
// go from the one to the other, and so do the clients in their backlogs.
//
//	old: s, err := upgrade.Begin(argv, env, offer)  // starts it, waits until it is ready
//	new: p, err := upgrade.Take()                   // nil: nobody is before us
//	     …                                          // opens what p.Offer has
//	     rest, err := p.Ready()                     // says so, waits until the old one listens no more
//	old: engine.Leave(); s.Go(engine.Rest()); …     // and tells what is left, until nothing is
//	new: p.Follow(engine.Follow)
//
// The two speak JSON, a line a message, over a pair of Unix sockets that one
// has made for the other. Whoever of them ends closes it.
package upgrade

import (
	"encoding/json"
	"errors"
	"os"

	"github.com/tcpctl/tcpctl/proxy"
)

// variable tells a process that it was started to take over, and from which of
// its descriptors.
const variable = "TCPCTL_UPGRADE"

// Offer is what a process gives to the one that follows it.
type Offer struct {
	PID     int         `json:"pid"`
	By      string      `json:"by"`      // who has asked for it
	Control string      `json:"control"` // the path of its control socket
	Saved   proxy.Saved `json:"saved"`
	Closed  []string    `json:"closed,omitempty"` // services

	// Screen says that the terminal is a console's, and no place for lines. Who
	// follows is in a session of its own: that terminal's end is not its end.
	Screen bool `json:"screen,omitempty"`

	Up map[string]map[string]string `json:"up"` // backends

	MetricsAddr string `json:"metrics_addr,omitempty"` // as the configuration has it

	Doors     []proxy.Door `json:"-"`
	Activated []*os.File   `json:"-"` // what systemd has opened, by its names
	Metrics   *os.File     `json:"-"` // the listener; nil: none
}

// sockets say what the descriptors behind the first are.
type sockets struct {
	Doors     []door   `json:"doors,omitempty"`
	Activated []string `json:"activated,omitempty"`
	Metrics   bool     `json:"metrics,omitempty"`
}

type door struct {
	Service string `json:"service"`
	Addr    string `json:"addr"`
}

// files are those of an offer, in the order of its sockets.
func (o *Offer) files() (files []*os.File, s sockets) {
	for _, d := range o.Doors {
		files = append(files, d.File)
		s.Doors = append(s.Doors, door{d.Service, d.Addr})
	}
	for _, f := range o.Activated {
		files = append(files, f)
		s.Activated = append(s.Activated, f.Name())
	}
	if o.Metrics != nil {
		files = append(files, o.Metrics)
		s.Metrics = true
	}
	return files, s
}

// fill is the other half of files: next gives one descriptor after the other.
func (o *Offer) fill(s sockets, next func(name string) *os.File) {
	for _, d := range s.Doors {
		o.Doors = append(o.Doors, proxy.Door{Service: d.Service, Addr: d.Addr, File: next(d.Service + " " + d.Addr)})
	}
	for _, name := range s.Activated {
		o.Activated = append(o.Activated, next(name))
	}
	if s.Metrics {
		o.Metrics = next("metrics")
	}
}

// Close closes the doors and the metrics' socket; systemd's stay open.
func (o *Offer) Close() {
	for _, d := range o.Doors {
		d.File.Close()
	}
	if o.Metrics != nil {
		o.Metrics.Close()
	}
}

// message is what one says to the other; one of its fields is set.
type message struct {
	Offer   *Offer                `json:"offer,omitempty"`
	Sockets *sockets              `json:"sockets,omitempty"` // with the offer
	Ready   bool                  `json:"ready,omitempty"`
	Failed  string                `json:"failed,omitempty"`
	Rest    map[string]proxy.Rest `json:"rest,omitempty"`
	Go      bool                  `json:"go,omitempty"` // with the first rest
}

var errOdd = errors.New("upgrade: the other process said something that was not expected")

// line is one end of the pair.
type line struct {
	conn *os.File
	in   *json.Decoder
	out  *json.Encoder
}

func newLine(f *os.File) line { return line{f, json.NewDecoder(f), json.NewEncoder(f)} }
