package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// What happens to the live sessions of a drain or pause at its limit.
const (
	ThenAbort = "abort" // give it up
	ThenCut   = "cut"   // reset them
	ThenKeep  = "keep"  // go on without waiting for them
)

// Thens are what can happen to live sessions at a limit.
var Thens = []string{ThenAbort, ThenCut, ThenKeep}

// What a service does with clients while no backend is up.
const (
	Hold   = "hold"
	Reject = "reject"
)

// What is done with a waiter that has ended its side after bytes.
const (
	FinVerify = "verify" // it keeps its place until its system says that it is gone
	FinKeep   = "keep"
	FinDrop   = "drop"
)

// Config is what an Engine runs. The zero value of each field is a sensible
// default; a negative duration or number switches the thing off.
type Config struct {
	Services []ServiceConfig
	// MaxSessions bounds the sessions of all services, waiters too; beyond
	// it clients wait in the kernel's backlog. 0: worked out from the
	// process's descriptor limit.
	MaxSessions int
	// Activated, when set, gives the listeners that a supervisor, like systemd,
	// has opened for a service, which the engine owns from then on, and the
	// rest of its addresses.
	Activated func(service string, listen []string) (given []net.Listener, rest []string, err error)
	// InheritedSockets are sockets of an engine in another process that this one follows:
	// a service that listens there takes the socket instead of opening its own.
	// The engine owns them from Start on, and closes those that no service takes.
	InheritedSockets []InheritedSocket
	// Closed are services that an operator has closed: Start does not open them.
	Closed []string
	// CutPredecessors, when set, has the sessions reset that predecessors (Follow)
	// have of a service, or of one backend of it: a limit has come. It runs in
	// a goroutine of its own.
	CutPredecessors func(service, backend, reason string)
	// QuietPredecessors, when set, has predecessors end sessions of a service at
	// quiet moments, as EndQuiet takes it. It runs in a goroutine of its own.
	QuietPredecessors func(QuietDrains)
	// OnRecord, when set, gets the record of each session, once, at its end,
	// and all have come before Shutdown returns. It is called on the data path,
	// with no lock held, by what serves other sessions, too: it must not block.
	// The engine keeps no queue for it, which would have to grow without bound
	// or lose records: which of the two is better is for the slow reader to decide.
	OnRecord func(Record)
	// OmitListener, when set, is asked at the end of each session: true leaves
	// Record.Listener out, which costs a system call. Like OnRecord, it must not block.
	OmitListener func() bool
	// Log gets each event; nil: nothing is logged. One goroutine writes to it,
	// so that a slow handler delays no client; one that falls behind by thousands
	// of events misses some, and gets their number.
	Log *slog.Logger
}

// ServiceConfig is one set of listeners with its queue and its backends.
type ServiceConfig struct {
	Name     string
	Listen   []string // "host:port", "[::1]:port", ":port", "unix:/path"
	Backends []BackendConfig
	// Discover are sources that give more backends, or all, at run time, with
	// Service.SetDiscovered.
	Discover []DiscoverySource

	// Listeners are used besides Listen; the engine owns them.
	Listeners []net.Listener
	// Dial, when set, connects to backends instead of the system, for sessions
	// and for checks, for example through a mesh.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Source are local addresses for connections to backends, one after another:
	// each has a range of ports of its own. A backend is connected to from those
	// of its own family; from the system's choice where there is none. An
	// address that this machine does not have (yet) is no error here: a dial
	// from it fails as our own trouble, see ReasonLocalLimit.
	Source []netip.Addr

	Balance          string        // random (weighted), roundrobin, leastconn, p2c, source, first; "" is random
	ConnectTimeout   time.Duration // 0: 3 s
	ConnectRetries   int           // on other backends; 0: 2, negative: none
	IdleTimeout      time.Duration // one clock for both directions; 0: off
	HalfCloseTimeout time.Duration // one side has ended, the other says nothing; 0: 1 min, negative: off
	MaxLifetime      time.Duration // 0: off
	Sock             relay.Sock    // of both sides' sockets
	Relay            string        // auto, loop, stream; "" is auto
	NoBackend        string        // Hold or Reject; "" is Hold
	MaxSessions      int           // admitted at a time; more wait in the queue. 0: no limit

	// SNI are the names whose clients the service takes, as their TLS ClientHello
	// has them: "db.example.com", "*.example.com" for one label before it, "*" for
	// all that no other service has, and for clients that name none. Services that
	// all have names may listen on the same address. What was read is not taken
	// from the stream: without TLS, the backend gets it. Empty: all clients, and
	// nothing is read.
	SNI []string

	// Hosts and Path are what the service's Protocol takes of what clients ask for
	// in its handshake: names, with "*" for a part of one, and a path, which has all
	// below it where it ends in a slash. Services that each have hosts or a path of
	// their own may listen on the same address (see ChooseRequest). Empty: all.
	Hosts []string
	Path  string

	Allow            []netip.Prefix // clients that may come; empty: all
	Deny             []netip.Prefix // clients that may not; it wins
	AllowList        ClientList     // more that may come, and no others; nil: there is none
	DenyList         ClientList     // more that may not; nil: there is none
	MaxSessionsPerIP int            // 0: no limit. IPv6 counts by /64
	NewSessionsPerIP float64        // a second; 0: no limit
	NewSessionsBurst int            // at once, from one address, where NewSessionsPerIP bounds them; 0: 5, or those of a second where that is more
	RateLimit        int64          // bytes a second, each session, each way; 0: no limit
	AcceptProxy      bool           // clients send a PROXY header (v1 or v2) first
	TrustedProxies   []netip.Prefix // whose headers are believed; others are refused
	SendProxy        int            // the version of the PROXY header for backends; 0: none
	TLS              *tls.Config    // from clients; nil: none
	TLSStrictEnd     bool           // a client whose TLS ends without close_notify resets its backend, once that has acknowledged everything
	Protocol         Protocol       // that clients speak around their bytes; nil: none. It is the engine's once that has started

	// Scope says where what operators do to the service holds: ScopeNode, or on all engines
	// of ScopeCluster, to which Cluster joins it: pauses, windows, admin states and weights. ""
	// is ScopeNode. It changes only with a new start. Cluster is called once, when the service
	// begins, and what it returns is closed with that; no client is admitted before Follow.
	Scope   string
	Cluster func(ClusterUser) io.Closer

	Lock LockConfig
	// Shared hands out the slots of a Lock of ScopeCluster. It is called once, when the
	// service begins, and belongs to that; a reload does not change it.
	Shared func(SharedUser) Shared
	Hooks  Hooks
	Queue  QueueConfig
	Check  CheckConfig
	Pause  PauseConfig
	Drain  DrainConfig
	// Passive ejects backends on which real sessions fail.
	Passive PassiveConfig
}

// LockConfig is the semaphore in front of a service.
type LockConfig struct {
	Slots int           // sessions at a time; 0: no lock
	TTL   time.Duration // the longest that a session may hold a slot; 0: off

	// Scope says whose the slots are: ScopeNode or ScopeCluster, which needs a Shared;
	// "" is ScopeNode. It changes only with a new start.
	Scope string
	// Order is that of clients over all nodes of ScopeCluster: OrderStrict or OrderShares,
	// which wants many slots, and no Hooks.BeforeNext; "" is OrderStrict.
	Order string
	// WhenLost is what becomes of clients while slots are the cluster's and this node
	// has no lease: Hold or Reject; "" is Hold.
	WhenLost string
}

// QueueConfig is the queue of a service.
type QueueConfig struct {
	Max         int           // 0: 1000, negative: no limit but descriptors
	MaxPerIP    int           // that wait, from one address; 0: no limit. IPv6 counts by /64
	Timeout     time.Duration // 0: 30 s, negative: off. It stands still during a pause
	OnClientFin string        // FinVerify, FinKeep or FinDrop; "" is FinVerify
}

// CheckConfig is how backends are checked.
type CheckConfig struct {
	Type     string        // tcp, http, send-expect, exec, passive, none; "" is tcp
	Port     int           // 0: the backend's own
	Path     string        // http
	Method   string        // http
	Host     string        // http, and the name that TLS asks for; "" is the address, localhost for unix
	Expect   int           // http; 0: 200
	TLS      bool          // tcp, http, send-expect: over TLS; the certificate is not verified
	Send     string        // send-expect; "": the backend speaks first
	Want     string        // send-expect: somewhere in the answer
	Run      []string      // exec: argv; TCPCTL_SERVICE, TCPCTL_BACKEND and TCPCTL_ADDR in its environment
	Interval time.Duration // 0: 5 s
	Timeout  time.Duration // 0: 4 s
	Rise     int           // 0: 2
	Fall     int           // 0: 3
	// SlowStart is how long the share of a backend that has come back grows
	// until it is whole; 0: it is at once. Policies that ignore weights ignore
	// this, too, and so does source.
	SlowStart time.Duration
	OnDown    string // OnDownKeep or OnDownCut; "" is OnDownKeep
}

// What becomes of the live sessions of a backend that goes down.
const (
	OnDownKeep = "keep" // they may be well
	OnDownCut  = "cut"
)

// PauseConfig is what a pause does that does not say otherwise.
type PauseConfig struct {
	Limit       time.Duration  // how long live sessions may take; 0: 30 s, negative: as long as the pause
	Then        string         // at that limit: ThenAbort, ThenCut, ThenKeep; "" is ThenAbort
	Max         time.Duration  // the longest pause; 0: 2 min
	OnMax       string         // "resume" or "reject"; "" is resume
	ReleaseRate float64        // grants a second after it; 0: all at once
	Bypass      []netip.Prefix // clients that a pause does not hold
}

// BackendConfig is one backend of a service.
type BackendConfig struct {
	Name        string // "": the address
	Addr        string // "host:port" or "unix:/path"
	Weight      int    // share of new sessions; 0: 1, negative: none
	Priority    int    // those of 1 serve when none of 0 is up and ready
	MaxSessions int    // 0: no limit
	CheckPort   int    // 0: the service's check.port, or the backend's own

	TLS *BackendTLS // that is spoken to it; nil: none

	Restart      []string      // argv that restarts it, run by the engine
	ReadyTimeout time.Duration // how long good checks may take to come after a restart; 0: 60 s

	// FoundBy is the kind of the source that has found it ("srv"), which
	// SetDiscovered sets; "": it is configured.
	FoundBy string
}

func (c ServiceConfig) withDefaults() ServiceConfig {
	setDefault(&c.Balance, "random")
	setDefault(&c.ConnectTimeout, 3*time.Second)
	setDefault(&c.ConnectRetries, 2)
	setDefault(&c.HalfCloseTimeout, time.Minute)
	setDefault(&c.Relay, "auto")
	setDefault(&c.NoBackend, Hold)
	setDefault(&c.Scope, ScopeNode)
	setDefault(&c.Lock.Scope, ScopeNode)
	setDefault(&c.Lock.Order, OrderStrict)
	setDefault(&c.Lock.WhenLost, Hold)
	setDefault(&c.Queue.Max, 1000)
	setDefault(&c.Queue.Timeout, 30*time.Second)
	setDefault(&c.Queue.OnClientFin, FinVerify)
	setDefault(&c.Check.Type, health.TCP)
	setDefault(&c.Check.Interval, 5*time.Second)
	setDefault(&c.Check.Timeout, health.DefaultTimeout)
	setDefault(&c.Check.OnDown, OnDownKeep)
	setDefault(&c.Pause.Limit, 30*time.Second)
	setDefault(&c.Pause.Then, ThenAbort)
	setDefault(&c.Pause.Max, 2*time.Minute)
	setDefault(&c.Pause.OnMax, "resume")
	if c.Passive.Failures > 0 {
		setDefault(&c.Passive.Window, 10*time.Second)
		setDefault(&c.Passive.Eject, 30*time.Second)
		setDefault(&c.Passive.MaxEjectedPercent, 50)
	}
	for _, list := range []*[]netip.Prefix{&c.Allow, &c.Deny, &c.TrustedProxies, &c.Pause.Bypass} {
		*list = unmapNetworks(*list)
	}
	return c
}

func (c ServiceConfig) protocolName() string {
	if c.Protocol == nil {
		return ""
	}
	return c.Protocol.Name()
}

func (c BackendConfig) withDefaults() BackendConfig {
	setDefault(&c.Name, c.Addr)
	setDefault(&c.Weight, 1)
	c.Weight = max(c.Weight, 0)
	return c
}

// setDefault gives v its default where it is zero.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// ParseSource reads an address to connect from. Whether this machine has it is
// not asked: it may come later, as one that moves between machines does.
func ParseSource(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("%q is not an IP address", s)
	}
	if a = a.Unmap(); a.IsUnspecified() || a.IsMulticast() {
		return a, fmt.Errorf("%q is no machine's own address", s)
	}
	return a, nil
}

// ParseBackend reads "host:port[,name=NAME][,weight=N][,priority=N][,check=PORT][,max_sessions=N]",
// and of TLS to it "[,tls=verify|noverify][,tls_name=NAME][,ca=FILE][,tls_cert=FILE][,tls_key=FILE]".
func ParseBackend(s string) (BackendConfig, error) {
	addr, rest, more := strings.Cut(s, ",")
	c := BackendConfig{Addr: addr}
	if err := checkAddr(addr, false); err != nil {
		return c, fmt.Errorf("backend %w", err)
	}
	for more {
		var word string
		word, rest, more = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(word, "=")
		if key == "name" {
			c.Name = value
			continue
		}
		if known, err := c.parseTLS(key, value); err != nil {
			return c, fmt.Errorf("backend %q: %w", s, err)
		} else if known {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return c, fmt.Errorf("backend %q: %s=%q is not a whole number from 0", s, key, value)
		}
		switch key {
		case "weight":
			c.Weight = n
			if n == 0 {
				c.Weight = -1
			}
		case "priority":
			c.Priority = n
		case "check":
			c.CheckPort = n
		case "max_sessions":
			c.MaxSessions = n
		default:
			return c, fmt.Errorf("backend %q: %q is not known; it is one of name, weight, priority, check, max_sessions, tls, tls_name, ca, tls_cert, tls_key", s, key)
		}
	}
	return c, c.Validate()
}
