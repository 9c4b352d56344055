package config

import (
	"io/fs"
	"net/netip"
	"time"
)

// Service is one [services.NAME].
type Service struct {
	Name     string
	Listen   []string  `toml:"listen" single:"yes" addr:"listen"` // one address or a list
	Balance  string    `toml:"balance" default:"random" oneof:"random roundrobin leastconn p2c source first"`
	Backends []Backend `toml:"backends"`
	Discover *Discover `toml:"discover"` // besides or instead of Backends
	// Scope is where pauses, windows, admin states and weights apply: on this node, or on all
	// nodes of [cluster] that have the service.
	Scope string `toml:"scope" default:"node" oneof:"node cluster"`

	ListenMode  fs.FileMode `toml:"listen_mode" default:"0600"`     // of Unix sockets
	ListenGroup string      `toml:"listen_group" example:"\"adm\""` // of Unix sockets; "": the process's

	Allow            []netip.Prefix `toml:"allow"`                                        // accepted clients; empty: all
	Deny             []netip.Prefix `toml:"deny" example:"[\"10.6.6.6\"]"`                // refused clients, even if Allow has them
	AllowFile        string         `toml:"allow_file" file:"file"`                       // file with more of Allow, one per line, read again when it changes
	DenyFile         string         `toml:"deny_file" file:"file" example:"\"deny.txt\""` // file with more of Deny
	Source           []netip.Addr   `toml:"source" example:"[\"10.0.0.5\"]"`              // local addresses for connections to backends; empty: the system's choice
	SNI              []string       `toml:"sni"`                                          // TLS server names; services with some may share a listen address
	AcceptProxy      bool           `toml:"accept_proxy" default:"false"`
	TrustedProxies   []netip.Prefix `toml:"trusted_proxies" example:"[\"10.0.0.2\"]"`
	SendProxy        int            `toml:"send_proxy" min:"0"`                // version of the PROXY header to backends; 0: none
	MaxSessions      int            `toml:"max_sessions" min:"0"`              // 0: no limit
	MaxSessionsPerIP int            `toml:"max_sessions_per_ip" min:"0"`       // 0: no limit
	NewSessionsPerIP Rate           `toml:"new_sessions_per_ip" default:"0/s"` // 0: no limit
	NewSessionsBurst int            `toml:"new_sessions_burst" min:"0"`        // burst; 0: 5, or one second's worth if that is more
	RateLimit        ByteRate       `toml:"rate_limit" default:"0/s"`          // per session and direction; 0: no limit
	Defaults                        // the service's own, or those of [defaults]

	Check Check `toml:"check"`
	Queue Queue `toml:"queue"`
	Pause Pause `toml:"pause"`
	Drain Drain `toml:"drain"`

	// What follows is nil where the file has no such table.
	Passive *Passive `toml:"passive"`
	Lock    *Lock    `toml:"lock"`
	Hooks   *Hooks   `toml:"hooks"`
	TLS     *TLS     `toml:"tls"`
	WS      *WS      `toml:"ws"`
}

// Backend is one backend of a service. In the file a plain string is a backend
// with only Addr.
type Backend struct {
	Name        string `toml:"name" example:"\"a\""`                          // name in commands and status; "": the address
	Addr        string `toml:"addr" addr:"dial" example:"\"10.0.0.11:5432\""` // address; or use DNS
	Weight      int    `toml:"weight" default:"1" min:"0"`                    // share of new sessions; 0: none
	Priority    int    `toml:"priority" min:"0"`                              // a backend of priority 1 serves when none of priority 0 is up and ready
	MaxSessions int    `toml:"max_sessions" min:"0"`                          // most live sessions; 0: no limit

	DNS       string        `toml:"dns" addr:"dial" example:"\"db.internal:5432\""` // DNS name and port; each address of the name is a backend
	DNSServer string        `toml:"dns_server" example:"\"10.0.0.2\""`              // DNS server; "": the system's
	Refresh   time.Duration `toml:"refresh" default:"30s"`                          // longest time between two lookups
	Hold      time.Duration `toml:"hold" default:"30s"`                             // how long an answer that lacks more than half of the addresses must persist before it applies; 0: at once

	ToTLS

	Restart      []string      `toml:"restart" argv:"yes" example:"[\"ssh\", \"a\", \"systemctl\", \"restart\", \"postgresql\"]"` // command that "tcpctl restart" runs
	ReadyTimeout time.Duration `toml:"ready_timeout" default:"60s"`                                                               // how long the backend may take to come up after a restart
}

// ToTLS is how TLS is spoken to a backend.
type ToTLS struct {
	TLS       bool   `toml:"tls" default:"false"`                                       // encrypt sessions and checks
	TLSVerify bool   `toml:"tls_verify" default:"true"`                                 // verify the backend's certificate, for TLSName
	TLSName   string `toml:"tls_name" example:"\"db.internal\""`                        // name in the certificate; "": the host of the address
	CA        string `toml:"ca" file:"file" example:"\"/etc/tcpctl/ca.pem\""`           // file with the CAs for TLSVerify; "": the system's
	TLSCert   string `toml:"tls_cert" file:"file" example:"\"/etc/tcpctl/client.pem\""` // client certificate; "": none
	TLSKey    string `toml:"tls_key" file:"file" example:"\"/etc/tcpctl/client.key\""`  // private key of TLSCert
}

// Check is how backends are checked.
type Check struct {
	Type        string        `toml:"type" default:"tcp" oneof:"tcp http send-expect exec passive none"`
	Port        int           `toml:"port" min:"0"`                                         // 0: the backend's own
	Path        string        `toml:"path" default:"/" secret:"query"`                      // http
	Method      string        `toml:"method" default:"GET"`                                 // http
	Host        string        `toml:"host" example:"\"app.internal\""`                      // http, and the name in the certificate; "": the address
	TLS         bool          `toml:"tls" default:"false"`                                  // tcp, http, send-expect
	Expect      int           `toml:"expect" default:"200" min:"100"`                       // http
	Send        string        `toml:"send" secret:"yes" example:"\"PING\\r\\n\""`           // send-expect
	ExpectBytes string        `toml:"expect_bytes" secret:"yes" example:"\"+PONG\""`        // send-expect
	Run         []string      `toml:"run" argv:"yes" example:"[\"/usr/local/bin/ask-db\"]"` // exec
	Interval    time.Duration `toml:"interval" default:"5s"`
	Timeout     time.Duration `toml:"timeout" default:"4s"`
	Rise        int           `toml:"rise" default:"2" min:"1"`
	Fall        int           `toml:"fall" default:"3" min:"1"`
	SlowStart   time.Duration `toml:"slow_start" default:"0s"`
	OnDown      string        `toml:"on_down" default:"keep" oneof:"keep cut"`
}

// Queue holds the clients that wait for a service.
type Queue struct {
	Max         int           `toml:"max" default:"1000" min:"0"` // 0: limited by file descriptors only
	MaxPerIP    int           `toml:"max_per_ip" min:"0"`         // per client address; 0: no limit
	Timeout     time.Duration `toml:"timeout" default:"30s"`      // 0: off
	OnClientFin string        `toml:"on_client_fin" default:"verify" oneof:"verify keep drop"`
}

// Pause has the defaults of a pause.
type Pause struct {
	Limit       time.Duration  `toml:"limit" default:"30s"` // 0: live sessions may take as long as the pause
	Then        string         `toml:"then" default:"abort" oneof:"abort cut keep"`
	Max         time.Duration  `toml:"max" default:"2m"`
	OnMax       string         `toml:"on_max" default:"resume" oneof:"resume reject"`
	ReleaseRate Rate           `toml:"release_rate" default:"0/s"` // 0: all at once
	Bypass      []netip.Prefix `toml:"bypass"`                     // clients that no pause holds
}

// Drain is how drains, pauses, windows and restarts end live sessions.
type Drain struct {
	Quiet    time.Duration `toml:"quiet" default:"0s"`                                     // ends sessions that have carried no data for this long; 0: sessions end by themselves
	Protocol string        `toml:"protocol" oneof:"postgres redis" example:"\"postgres\""` // protocol of the clients; a quiet session then has no request under way; "": unknown
}

// Passive ejects backends on which real sessions fail.
type Passive struct {
	Failures          int           `toml:"failures" default:"3" min:"1"`
	Window            time.Duration `toml:"window" default:"10s"`
	Eject             time.Duration `toml:"eject" default:"30s"` // doubles each time, up to ten times this
	MaxEjectedPercent int           `toml:"max_ejected_percent" default:"50" min:"0" max:"100"`
}

// Lock is the semaphore in front of a service.
type Lock struct {
	Slots int           `toml:"slots" default:"1" min:"1"`
	TTL   time.Duration `toml:"ttl" default:"0s"`                             // 0: off
	Scope string        `toml:"scope" default:"node" oneof:"node cluster"`    // where slots are counted: on this node, or on all nodes of [cluster] that have the service
	Order string        `toml:"order" default:"strict" oneof:"strict shares"` // order of clients across nodes: strict, or shares: each node grants its share of the slots by itself, and the order holds to about 250 ms
}

// Hooks are the commands that run between clients.
type Hooks struct {
	BeforeNext *Hook  `toml:"before_next"` // runs before a client gets the slot
	OnTTL      *Hook  `toml:"on_ttl"`      // runs when lock.ttl has ended a session
	OnExpire   *Hook  `toml:"on_expire"`   // with lock.scope = "cluster": runs before a slot of a lost node is used again
	Ready      string `toml:"ready" default:"check" oneof:"check connect none"`
	Exclusive  bool   `toml:"exclusive" default:"true"`
}

// Hook is one command.
type Hook struct {
	Run     []string      `toml:"run" argv:"yes" example:"[\"systemctl\", \"restart\", \"soffice\"]"` // the command
	Every   int           `toml:"every" default:"1" min:"1"`                                          // run before every Nth client only
	Timeout time.Duration `toml:"timeout" default:"30s"`                                              // time limit; a command that exceeds it is killed and has failed
	OnError string        `toml:"on_error" default:"check" oneof:"check hold reject ignore"`          // what follows a failure: check (go on if ready is met, else hold), hold (keep clients waiting and retry), reject, ignore
}

// TLS terminates TLS from clients. The files are read again when they change.
type TLS struct {
	Cert     string `toml:"cert" file:"file"`
	Key      string `toml:"key" file:"file"`
	ClientCA string `toml:"client_ca" file:"file"` // "": clients need no certificate
	// StrictEnd resets the backend when a client ends without close_notify, once the
	// backend has acknowledged all data.
	StrictEnd bool `toml:"strict_end" default:"false"`
}

// WS bridges WebSocket clients. Services may share an address if each has Hosts or a
// Path of its own.
type WS struct {
	Hosts            []string      `toml:"hosts"` // hosts that a request may name; empty: see hostsFor in internal/protocol
	Path             string        `toml:"path" default:"/"`
	Auth             string        `toml:"auth" kinds:"basic token"` // KIND:FILE; "": no authentication
	Origins          []string      `toml:"origins"`                  // besides the same host
	Subprotocols     []string      `toml:"subprotocols" default:"binary"`
	Encoding         string        `toml:"encoding" default:"binary" oneof:"binary text"`
	InvalidText      string        `toml:"invalid_text" default:"close" oneof:"close replace"`
	Web              string        `toml:"web" file:"folder"`
	DotFiles         bool          `toml:"dot_files" default:"false"`
	Ping             time.Duration `toml:"ping" default:"30s"`
	HandshakeTimeout time.Duration `toml:"handshake_timeout" default:"10s"`
	MaxHeader        Size          `toml:"max_header" default:"16KiB"`
	Compression      bool          `toml:"compression" default:"false"`
}

// hasOwn reports whether the service has hosts or a path of its own, so that it can share its
// address with others that do.
func (w *WS) hasOwn() bool { return w != nil && (len(w.Hosts) > 0 || w.Path != "/") }
