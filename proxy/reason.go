package proxy

import (
	"strings"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/internal/tlsclient"
)

// Reason is one fixed word for why a client waits or why its session ended.
// Code compares it, metrics have it as a label, and programs read it; free text
// for people is kept beside it, as in Record.Detail. A new reason is a new
// constant here, and needs nothing else.
type Reason = lock.Reason

// Why a client waits: each is an answer of the one gate. Most also apply to a
// session that was rejected for the same reason.
const (
	ReasonPaused  Reason = "paused"  // the service is paused
	ReasonSlots   Reason = "slots"   // all slots of the lock are taken
	ReasonLimit   Reason = "limit"   // the service has reached its max_sessions
	ReasonFull    Reason = "full"    // all backends that are up and ready have reached their max_sessions
	ReasonRetry   Reason = "retry"   // all dials failed, and the client waits for the next attempt
	ReasonPacing  Reason = "pacing"  // the release rate after a pause limits admissions
	ReasonLeaving Reason = "leaving" // the client was rejected and its session is ending
	ReasonHook    Reason = "hook"    // a hook runs or must run first, or a failed hook rejected the session

	// Slots that nodes share.

	ReasonCluster        Reason = "cluster"         // other clients of the cluster are first
	ReasonClusterLease   Reason = "cluster_lease"   // this node has no lease, because it reaches no majority
	ReasonClusterVersion Reason = "cluster_version" // the voters run another version than this node, which gets no slots

	ReasonUpgrade Reason = "upgrade" // earlier clients still wait in the process before the upgrade
	// This process is out of local ports, file descriptors or the like.
	ReasonLocalLimit Reason = "local_limit"
	ReasonNoBackend  Reason = "no_backend" // no backend is up and ready
)

// Why a session ended.
const (
	ReasonFIN       Reason = "fin"       // one side ended its stream, and the other followed
	ReasonReset     Reason = "reset"     // a peer reset its connection
	ReasonTruncated Reason = "truncated" // a stream ended inside a frame or message of its Protocol
	// A TLS stream ended without close_notify: any host on the path can have cut
	// it there (RFC 8446, section 6.1).
	ReasonTLSTruncated Reason = "tls_truncated"
	ReasonLeaseLost    Reason = "lease_lost" // this node lost its lease, so that other nodes may have the session's slot
	ReasonAbandoned    Reason = "abandoned"  // the client went away before it was served
	ReasonConnect      Reason = "connect"    // no backend could be connected to

	// Failed checks, which also have ReasonConnect, ReasonReset and those of TLS.

	ReasonTimeout Reason = "timeout" // a check exceeded its time limit
	ReasonAnswer  Reason = "answer"  // the backend gave a wrong answer to a check
	ReasonCommand Reason = "command" // the command of a check failed

	// TLS with a backend, which then counts as one that could not be connected to;
	// ReasonNotTLS and ReasonTLS are separate.

	ReasonTLSUnknownCA = tlsclient.UnknownCA // the certificate is signed by an untrusted CA
	ReasonTLSWrongName = tlsclient.WrongName // the certificate is for another name
	ReasonTLSExpired   = tlsclient.Expired   // the certificate has expired, or is not valid yet
	ReasonTLSTimeout   = tlsclient.Timeout   // the backend did not answer the handshake in time
	// A TLS alert: the backend refused the handshake, as without a client
	// certificate, or either side sent one later.
	ReasonTLSAlert = tlsclient.Alert

	ReasonIdle        Reason = "idle"               // the session carried no data for idle_timeout
	ReasonHalfClose   Reason = "half_close_timeout" // one side had ended, and the other was silent for half_close_timeout
	ReasonLifetime    Reason = "max_lifetime"       // the session reached max_lifetime
	ReasonTTL         Reason = "ttl"                // the session held its slot for lock.ttl
	ReasonBackendDown Reason = "backend_down"       // the backend went down, and check.on_down is cut
	ReasonDrainLimit  Reason = "drain_limit"        // a drain reached its limit
	ReasonPauseLimit  Reason = "pause_limit"        // a pause reached its limit for live sessions
	ReasonQuietDrain  Reason = "quiet_drain"        // a drain or pause ended the session at a quiet moment
	ReasonKicked      Reason = "kicked"             // an operator kicked the session
	ReasonShutdown    Reason = "shutdown"           // tcpctl stopped
	ReasonPanic       Reason = "panic"              // a bug in the program ended the session

	ReasonQueueFull     Reason = "queue_full"     // queue.max clients are waiting already
	ReasonQueueTimeout  Reason = "queue_timeout"  // the client waited for queue.timeout
	ReasonPauseDeadline Reason = "pause_deadline" // a pause reached its deadline with pause.on_max = "reject"
	ReasonWindowOverdue Reason = "window_overdue" // a window's command was still running at the pause's deadline

	ReasonDenied         Reason = "denied"              // allow or deny refuses the client's address
	ReasonSessionsPerIP  Reason = "sessions_per_ip"     // the client's address has max_sessions_per_ip live sessions
	ReasonNewPerIP       Reason = "new_sessions_per_ip" // the client's address connects too often
	ReasonWaitingPerIP   Reason = "waiting_per_ip"      // the client's address has queue.max_per_ip waiters
	ReasonUntrustedProxy Reason = "untrusted_proxy"     // a PROXY header is expected, and the peer is not in trusted_proxies
	ReasonProxyHeader    Reason = "proxy_header"        // the PROXY header is malformed or missing
	ReasonTLS                   = tlsclient.Other       // the TLS handshake failed
	ReasonNoHandshake    Reason = "no_handshake"        // the client did not complete the handshake of its Protocol

	// Clients of an address that services share by SNI.

	ReasonNotTLS              = tlsclient.NotTLS  // the first bytes are no ClientHello; of a backend: it does not speak TLS
	ReasonNoHello      Reason = "no_client_hello" // the ClientHello was not complete in time
	ReasonNoServerName Reason = "no_server_name"  // the ClientHello names no server, and no service accepts that
	ReasonServerName   Reason = "server_name"     // no service has the server name of the ClientHello

	// Handshakes of a Protocol that were answered with an error.

	ReasonHost        Reason = "host"        // the requested host is not served
	ReasonAuth        Reason = "auth"        // the password or token is unknown or missing
	ReasonOrigin      Reason = "origin"      // the web page's origin is not allowed
	ReasonPath        Reason = "path"        // nothing is served at the path
	ReasonMethod      Reason = "method"      // the HTTP method is not allowed
	ReasonNoUpgrade   Reason = "no_upgrade"  // the request has no Upgrade: it is for a page, or a proxy in between removed it
	ReasonVersion     Reason = "version"     // the version of the Protocol or of HTTP is not supported
	ReasonSubprotocol Reason = "subprotocol" // the offered subprotocols are malformed
	ReasonEncoding    Reason = "encoding"    // the requested encoding is unknown
	ReasonMalformed   Reason = "malformed"   // the handshake is malformed

	// Clients that speak a Protocol.

	ReasonUnresponsive  Reason = "unresponsive"   // the client answered no ping and sent nothing
	ReasonProtocolError Reason = "protocol_error" // the client violated the Protocol
	ReasonInvalidText   Reason = "invalid_text"   // the backend sent data that is not UTF-8 to a client that wants text

	ReasonOther Reason = "other" // none of these
)

// refusals are the reasons that are about one client and not about the service's state:
// why the client was rejected on arrival.
var refusals = map[Reason]bool{
	ReasonDenied: true, ReasonSessionsPerIP: true, ReasonNewPerIP: true, ReasonWaitingPerIP: true, ReasonQueueFull: true,
	ReasonUntrustedProxy: true, ReasonProxyHeader: true, ReasonTLS: true,
	ReasonHost: true, ReasonAuth: true, ReasonOrigin: true, ReasonPath: true, ReasonMethod: true, ReasonNoUpgrade: true, ReasonVersion: true,
	ReasonSubprotocol: true, ReasonEncoding: true, ReasonMalformed: true,
}

// orderly reports whether a side ended its stream with a FIN, so that the other may
// continue.
func orderly(r Reason) bool { return r == ReasonFIN || r == ReasonTruncated || r == ReasonTLSTruncated }

// texts explains the reasons whose word alone says too little to people.
var texts = map[Reason]string{
	ReasonClusterLease:   "this node has no lease: it reaches no majority of the voters",
	ReasonClusterVersion: "the voters of the cluster have another version than this node",
	ReasonLeaseLost:      "the lease of this node is over",
	ReasonQuietDrain:     "drained at a quiet moment",
	ReasonHalfClose:      "half-close timeout",
	ReasonSessionsPerIP:  "too many sessions from its address",
	ReasonNewPerIP:       "too many new sessions from its address",
	ReasonWaitingPerIP:   "too many waiting clients from its address",
	ReasonUntrustedProxy: "not a trusted proxy",
	ReasonProxyHeader:    "bad PROXY header",
	ReasonTLS:            "TLS handshake failed",
	ReasonTLSUnknownCA:   "unknown CA",
	ReasonTLSWrongName:   "wrong name in the certificate",
	ReasonTLSExpired:     "certificate not valid now",
	ReasonTLSTimeout:     "TLS handshake timed out",
	ReasonTLSAlert:       "TLS alert",
	ReasonNotTLS:         "no TLS",
	ReasonNoHello:        "incomplete ClientHello",
	ReasonNoServerName:   "its ClientHello names no server",
	ReasonServerName:     "server name not served",
	ReasonHost:           "host not served",
	ReasonAuth:           "not authorized",
	ReasonOrigin:         "origin not allowed",
	ReasonPath:           "no WebSocket at this path",
	ReasonNoUpgrade:      "no Upgrade to a WebSocket",
	ReasonMalformed:      "bad handshake",
}

// explain returns a reason and its detail for people: "kicked: by ana: too old".
func explain(r Reason, detail string) string {
	text := texts[r]
	if text == "" {
		text = strings.ReplaceAll(string(r), "_", " ")
	}
	if detail != "" {
		text += ": " + detail
	}
	return text
}
