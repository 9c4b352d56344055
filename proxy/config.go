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

// What happens to live sessions when a drain or pause reaches its limit.
const (
	ThenAbort = "abort" // give up the drain or pause
	ThenCut   = "cut"   // reset live sessions
	ThenKeep  = "keep"  // go on without waiting for them
)

// Thens lists what can happen to live sessions at a limit.
var Thens = []string{ThenAbort, ThenCut, ThenKeep}

// What a service does with clients while no backend is up.
const (
	Hold   = "hold"
	Reject = "reject"
)

// What happens to a waiter that ended its side after sending data.
const (
	FinVerify = "verify" // it keeps its place until its system answers a keepalive probe with a reset
	FinKeep   = "keep"
	FinDrop   = "drop"
)

// Config is the configuration of an Engine. The zero value of each field is a
// sensible default; a negative duration or number is off.
type Config struct {
	Services []ServiceConfig
	// MaxSessions bounds the sessions of all services, including waiters; more
	// clients wait in the kernel's backlog. 0: derived from the process's file
	// descriptor limit.
	MaxSessions int
	// Activated, if set, returns the listeners that a supervisor, such as systemd,
	// opened for a service, and the addresses that are left to open. The engine
	// owns the listeners from then on.
	Activated func(service string, listen []string) (given []net.Listener, rest []string, err error)
	// InheritedSockets are sockets of an engine in another process that this one succeeds:
	// a service with such a listen address uses the socket instead of opening its own.
	// The engine owns them from Start on, and closes those that no service uses.
	InheritedSockets []InheritedSocket
	// Closed are the services that an operator closed: Start does not open their listeners.
	Closed []string
	// CutPredecessors, if set, resets the sessions of a service, or of one of its
	// backends, in predecessors (Follow), because a limit was reached. It runs in a
	// goroutine of its own.
	CutPredecessors func(service, backend, reason string)
	// QuietPredecessors, if set, makes predecessors end sessions of a service at
	// quiet moments, with the argument of EndQuiet. It runs in a goroutine of its own.
	QuietPredecessors func(QuietDrains)
	// OnRecord, if set, is called with the record of each session once, at its end,
	// and for all sessions before Shutdown returns. It is called on the data path,
	// without locks, by goroutines that also serve other sessions: it must not
	// block. The engine has no queue for it, which would grow without bound or lose
	// records; a slow reader has to choose between the two.
	OnRecord func(Record)
	// OmitListener, if set, is called at the end of each session; if it returns true,
	// Record.Listener is empty, which saves a system call. It must not block.
	OmitListener func() bool
	// Log gets each event; nil: nothing is logged. One goroutine writes to it, so
	// that a slow handler delays no client; a handler that falls behind by thousands
	// of events misses some, and gets their number.
	Log *slog.Logger
}

// ServiceConfig configures one service: its listeners, queue and backends.
type ServiceConfig struct {
	Name     string
	Listen   []string // "host:port", "[::1]:port", ":port", "unix:/path"
	Backends []BackendConfig
	// Discover are sources of more backends, or of all, which come at run time by
	// Service.SetDiscovered.
	Discover []DiscoverySource

	// Listeners are used in addition to Listen; the engine owns them.
	Listeners []net.Listener
	// Dial, if set, connects to backends in place of net.Dialer, for sessions and
	// checks, for example through a mesh. The engine owns the connection. Dial has to
	// return once ctx is done. To a connection without CloseWrite, such as a mesh's
	// stream, a client's end of stream cannot be passed on: if the backend does not end
	// the session by itself, HalfCloseTimeout does. The same holds for Listeners.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Source are local addresses for connections to backends, used in turn; each has
	// its own range of ports. Only addresses of the backend's family are used; if
	// there is none, the system chooses. An address that this machine does not have
	// (yet) is no error here: a dial from it fails with ReasonLocalLimit.
	Source []netip.Addr

	Balance          string        // random (weighted), roundrobin, leastconn, p2c, source or first; "" is random
	ConnectTimeout   time.Duration // of one dial to a backend; 0: 3 s
	ConnectRetries   int           // dials to other backends; 0: 2, negative: none
	IdleTimeout      time.Duration // without data in either direction; 0: off
	HalfCloseTimeout time.Duration // silence of one side after the other has ended; 0: 1 min, negative: off
	MaxLifetime      time.Duration // then a session is reset; 0: off
	Sock             relay.Sock    // options of the sockets of both sides
	Relay            string        // auto, loop or stream; "" is auto
	NoBackend        string        // Hold or Reject; "" is Hold
	MaxSessions      int           // most live sessions; more clients wait in the queue; 0: no limit

	// SNI are the server names of the service's clients, as in their TLS ClientHello:
	// "db.example.com", "*.example.com" for any one label before it, "*" for names
	// that no other service has and for clients that name none. Services that all
	// have names may listen on the same address. The ClientHello stays in the
	// stream: without TLS, the backend gets it. Empty: all clients, and no
	// ClientHello is read.
	SNI []string

	// Hosts and Path select clients by the request in the handshake of the service's
	// Protocol: host names, with "*" for a part of one, and a path, which includes
	// all paths below it if it ends in a slash. Services that each have hosts or a
	// path of their own may listen on the same address (see ChooseRequest). Empty: all.
	Hosts []string
	Path  string

	Allow            []netip.Prefix // accepted clients; empty: all
	Deny             []netip.Prefix // refused clients, even if Allow has them
	AllowList        ClientList     // more of Allow; nil: none
	DenyList         ClientList     // more of Deny; nil: none
	MaxSessionsPerIP int            // most live sessions per client address (IPv6: per /64); 0: no limit
	NewSessionsPerIP float64        // most new sessions per second and client address; 0: no limit
	NewSessionsBurst int            // burst above NewSessionsPerIP; 0: 5, or one second's worth if that is more
	RateLimit        int64          // bytes per second, for each session and direction; 0: no limit
	AcceptProxy      bool           // clients send a PROXY header (v1 or v2) first
	TrustedProxies   []netip.Prefix // peers whose PROXY headers are accepted; others are refused
	SendProxy        int            // version of the PROXY header to backends; 0: none
	TLS              *tls.Config    // TLS from clients; nil: none
	TLSStrictEnd     bool           // a client that ends without close_notify resets its backend, once that has acknowledged all data
	Protocol         Protocol       // framing of the clients' data; nil: none. The engine owns it from Start on

	// Scope is where pauses, windows, admin states and weights of the service apply: ScopeNode,
	// or ScopeCluster for all engines that Cluster joins it to; "" is ScopeNode. A reload does
	// not change it. Cluster is called once, when the service begins; the engine closes its
	// result with the service. No client is admitted before Follow.
	Scope   string
	Cluster func(ClusterUser) io.Closer

	Lock LockConfig
	// Shared returns what grants the slots of a Lock of ScopeCluster. It is called once, when
	// the service begins; the service owns its result, and a reload does not change it.
	Shared func(SharedUser) Shared
	Hooks  Hooks
	Queue  QueueConfig
	Check  CheckConfig
	Pause  PauseConfig
	Drain  DrainConfig
	// Passive ejects backends on which sessions fail.
	Passive PassiveConfig
}

// LockConfig configures the semaphore in front of a service.
type LockConfig struct {
	Slots int           // most sessions at a time; 0: no lock
	TTL   time.Duration // how long a session may hold a slot; 0: no limit

	// Scope is where slots are counted: ScopeNode, or ScopeCluster, which needs a Shared;
	// "" is ScopeNode. A reload does not change it.
	Scope string
	// Order is the order of clients across the nodes of ScopeCluster: OrderStrict, or
	// OrderShares, which needs many slots and excludes Hooks.BeforeNext; "" is OrderStrict.
	Order string
	// WhenLost is what happens to clients of ScopeCluster while this node has no lease:
	// Hold or Reject; "" is Hold.
	WhenLost string
}

// QueueConfig configures the queue of a service.
type QueueConfig struct {
	Max         int           // most waiters; 0: 1000, negative: limited by file descriptors only
	MaxPerIP    int           // most waiters per client address (IPv6: per /64); 0: no limit
	Timeout     time.Duration // longest wait; stands still during a pause; 0: 30 s, negative: off
	OnClientFin string        // FinVerify, FinKeep or FinDrop; "" is FinVerify
}

// CheckConfig configures the checks of backends.
type CheckConfig struct {
	Type     string        // tcp, http, send-expect, exec, passive or none; "" is tcp
	Port     int           // 0: the backend's own
	Path     string        // http: path of the request; "" is "/"
	Method   string        // http: method of the request; "" is GET
	Host     string        // http, and the SNI of TLS; "": the address, or localhost for unix
	Expect   int           // http: status of a passed check; 0: 200
	TLS      bool          // tcp, http, send-expect: over TLS; the certificate is not verified
	Send     string        // send-expect: bytes to send; "": the backend speaks first
	Want     string        // send-expect: bytes that the reply must contain
	Run      []string      // exec: command; TCPCTL_SERVICE, TCPCTL_BACKEND and TCPCTL_ADDR are in its environment
	Interval time.Duration // from the end of one check to the start of the next; 0: 5 s
	Timeout  time.Duration // of one check; 0: 4 s
	Rise     int           // consecutive passed checks before a backend is up; 0: 2
	Fall     int           // consecutive failed checks before a backend is down; 0: 3
	// SlowStart is how long a backend that came up takes to reach its full weight;
	// 0: no time. Policies that ignore weights ignore SlowStart, and so does source.
	SlowStart time.Duration
	OnDown    string // OnDownKeep or OnDownCut; "" is OnDownKeep
}

// What happens to the live sessions of a backend that goes down.
const (
	OnDownKeep = "keep" // they may still work
	OnDownCut  = "cut"
)

// PauseConfig has the defaults of a pause.
type PauseConfig struct {
	Limit       time.Duration  // how long live sessions may take to end; 0: 30 s, negative: as long as the pause
	Then        string         // what happens at Limit: ThenAbort, ThenCut or ThenKeep; "" is ThenAbort
	Max         time.Duration  // longest pause; 0: 2 min
	OnMax       string         // what happens to waiters at Max: "resume" or "reject"; "" is resume
	ReleaseRate float64        // grants per second after the pause; 0: all at once
	Bypass      []netip.Prefix // clients that no pause holds
}

// BackendConfig configures one backend of a service.
type BackendConfig struct {
	Name        string // unique in the service; "": the address
	Addr        string // "host:port" or "unix:/path"
	Weight      int    // share of new sessions; 0: 1, negative: none
	Priority    int    // backends of priority 1 serve when none of priority 0 is up and ready
	MaxSessions int    // most live sessions; 0: no limit
	CheckPort   int    // port for checks; 0: the service's Check.Port, or the backend's own

	TLS *BackendTLS // nil: no TLS to the backend

	Restart      []string      // command that restarts the backend; the engine runs it
	ReadyTimeout time.Duration // how long checks may take to pass after a restart; 0: 60 s

	// FoundBy is the kind of the source that found the backend ("srv"), set by
	// SetDiscovered; "": it is configured.
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

// setDefault replaces a zero v by its default.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// ParseSource parses an address to connect from. It does not check whether this
// machine has the address, which may come later, as a floating address does.
func ParseSource(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return a, fmt.Errorf("%q is not an IP address", s)
	}
	if a = a.Unmap(); a.IsUnspecified() || a.IsMulticast() {
		return a, fmt.Errorf("%q cannot be a machine's own address", s)
	}
	return a, nil
}

// ParseBackend parses "host:port[,name=NAME][,weight=N][,priority=N][,check=PORT][,max_sessions=N]",
// followed by "[,tls=verify|noverify][,tls_name=NAME][,ca=FILE][,tls_cert=FILE][,tls_key=FILE]" for TLS.
func ParseBackend(s string) (BackendConfig, error) {
	addr, rest, more := strings.Cut(s, ",")
	c := BackendConfig{Addr: addr}
	if err := checkAddr(addr, false); err != nil {
		hint := addrHint(addr)
		if hint != "" {
			hint = "; " + hint
		}
		return c, fmt.Errorf("backend %w%s", err, hint)
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
