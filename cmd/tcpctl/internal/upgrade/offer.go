package upgrade

import (
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// variable tells a process that it was started to take over, and which descriptors are for that.
const variable = "TCPCTL_UPGRADE"

// Deadlines of the phases: see the package comment.
const (
	openWithin    = 30 * time.Second // it reads its configuration and certificates
	acceptWithin  = 5 * time.Second  // meanwhile clients wait in the backlog
	releaseWithin = 10 * time.Second
)

var settleAfter = time.Second // only tests change it

// limits are those of a Successor.
type limits struct{ open, accept, settle, again time.Duration }

var usual = limits{openWithin, acceptWithin, 10 * time.Second, time.Second} // settle: since its last message

// ErrStopped says that this process is stopping, and so no successor starts.
var ErrStopped = errors.New("upgrade: this process is stopping; start the new one when it has ended")

// Duties are the callbacks of the process that hands over. Begin and Settle call
// them, one at a time.
type Duties struct {
	// StopListening accepts no more clients and returns the state; the
	// descriptors stay open. An error ends the upgrade.
	StopListening func() (State, error)
	// Yield leaves requests to the successor, which accepts clients.
	Yield func(successor int)
	// Release closes everything that the successor owns now.
	Release func(successor int)
	// Resume takes everything back, with the counters of the successor, which
	// has ended. It may be called when nothing was stopped.
	Resume func(counted proxy.Remaining)
	// Stop, closed, ends the upgrade: this process is to end.
	Stop <-chan struct{}

	limits limits // of a test; zero: usual
}

// Observe is called on both sides at the moments of a handover at which a process
// could die or become unresponsive. It is for tests.
var Observe = func(predecessor bool, at string) {}

// Offer is what a process gives to the one that follows it.
type Offer struct {
	PID     int    `json:"pid"`
	By      string `json:"by"`      // the operator
	Control string `json:"control"` // the path of its control socket
	State   State  `json:"state"`   // for the case that it dies before it says more

	// Screen says that the terminal shows a console, so that no lines go there.
	// The successor is in a session of its own: it outlives that terminal.
	Screen bool `json:"screen,omitempty"`

	MetricsAddr string `json:"metrics_addr,omitempty"` // as the configuration has it
	SSHAddr     string `json:"ssh_addr,omitempty"`     // likewise
	MeshKey     []byte `json:"mesh_key,omitempty"`     // its identity in the mesh
	// Cluster is what its locks over several nodes go on from; nil: it has none.
	Cluster *Cluster `json:"cluster,omitempty"`

	Listeners     []proxy.InheritedSocket `json:"-"`
	Activated     []*os.File              `json:"-"` // opened by systemd, by its names
	ControlSocket *os.File                `json:"-"` // the listener
	Metrics       *os.File                `json:"-"` // the listener; nil: none
	SSH           *os.File                `json:"-"` // the listener of the console over SSH; nil: none
}

// Cluster is what a process has to know that takes part in the cluster of the one
// before it, as a process of the same node.
type Cluster struct {
	Incarnation uint64        `json:"incarnation"` // its own
	Dir         string        `json:"dir"`
	Lease       time.Duration `json:"lease"`
}

// Cluster is that of a predecessor; nil: it was in none, or there is none.
func (p *Predecessor) Cluster() *Cluster {
	if p == nil {
		return nil
	}
	return p.Offer.Cluster
}

// State is the predecessor's engine state, and the processes that still serve.
type State struct {
	Engine      proxy.HandoverState `json:"engine"`
	Generations []Generation        `json:"generations"` // the predecessor is the last
}

// Generation is an earlier process of this instance that still serves clients.
type Generation struct {
	PID  int    `json:"pid"`
	Addr string `json:"addr"` // where Follow finds it
}

// sockets describes the descriptors that follow the first.
type sockets struct {
	Listeners     []listener `json:"listeners,omitempty"`
	Activated     []string   `json:"activated,omitempty"`
	ControlSocket bool       `json:"control_socket,omitempty"`
	Metrics       bool       `json:"metrics,omitempty"`
	SSH           bool       `json:"ssh,omitempty"`
}

type listener struct {
	Service string `json:"service"`
	Addr    string `json:"addr"`
}

// files returns the files of an offer, in the order of the returned sockets.
func (o *Offer) files() (files []*os.File, s sockets) {
	for _, d := range o.Listeners {
		files = append(files, d.File)
		s.Listeners = append(s.Listeners, listener{d.Service, d.Addr})
	}
	for _, f := range o.Activated {
		files = append(files, f)
		s.Activated = append(s.Activated, f.Name())
	}
	if o.ControlSocket != nil {
		files = append(files, o.ControlSocket)
		s.ControlSocket = true
	}
	if o.Metrics != nil {
		files = append(files, o.Metrics)
		s.Metrics = true
	}
	if o.SSH != nil {
		files = append(files, o.SSH)
		s.SSH = true
	}
	return files, s
}

// fill is the inverse of files: next returns one descriptor after the other.
func (o *Offer) fill(s sockets, next func(name string) *os.File) {
	for _, d := range s.Listeners {
		o.Listeners = append(o.Listeners, proxy.InheritedSocket{Service: d.Service, Addr: d.Addr, File: next(d.Service + " " + d.Addr)})
	}
	for _, name := range s.Activated {
		o.Activated = append(o.Activated, next(name))
	}
	if s.ControlSocket {
		o.ControlSocket = next("control")
	}
	if s.Metrics {
		o.Metrics = next("metrics")
	}
	if s.SSH {
		o.SSH = next("ssh")
	}
}

// Close closes all but systemd's sockets.
func (o *Offer) Close() {
	for _, d := range o.Listeners {
		d.File.Close()
	}
	for _, f := range []*os.File{o.ControlSocket, o.Metrics, o.SSH} {
		if f != nil {
			f.Close()
		}
	}
}

// message is a message of the link, with one field set.
type message struct {
	Offer   *Offer   `json:"offer,omitempty"`
	Sockets *sockets `json:"sockets,omitempty"` // with the offer

	Ready     bool   `json:"ready,omitempty"`
	PID       int    `json:"pid,omitempty"` // with ready: the started process may be a script
	Failed    string `json:"failed,omitempty"`
	Accepting bool   `json:"accepting,omitempty"`
	Settled   bool   `json:"settled,omitempty"`
	// Counted is what the successor has counted. If it dies before it is released, its predecessor
	// continues from there.
	Counted *proxy.Remaining `json:"counted,omitempty"`

	Go       *State `json:"go,omitempty"`
	Released bool   `json:"released,omitempty"`
	Stop     bool   `json:"stop,omitempty"` // both must end
}

// event returns the message's event for a phase.
func (m *message) event() event {
	switch {
	case m.Ready:
		return isReady
	case m.Accepting:
		return isAccepting
	case m.Settled:
		return isSettled
	case m.Go != nil:
		return mayGo
	case m.Released:
		return hasReleased
	case m.Stop:
		return isStopped
	}
	return hasFailed
}

var errUnexpected = errors.New("upgrade: the other process sent an unexpected message; are the two versions compatible? else stop the old one and start the new one")

// link is one end of the pair of sockets.
type link struct {
	conn     *os.File
	mu       sync.Mutex // of writes
	received chan message
}

func newLink(f *os.File) *link { return &link{conn: f, received: make(chan message)} }

// receive reads messages until the other end is closed or done is.
func (l *link) receive(done <-chan struct{}) {
	defer close(l.received)
	for in := json.NewDecoder(l.conn); ; {
		var m message
		if in.Decode(&m) != nil {
			return
		}
		select {
		case l.received <- m:
		case <-done:
			return
		}
	}
}

// say sends a message, with a timeout.
func (l *link) say(m message, within time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(within))
	return json.NewEncoder(l.conn).Encode(m)
}
