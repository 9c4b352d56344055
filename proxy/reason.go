package proxy

import (
	"strings"

	"github.com/tcpctl/tcpctl/lock"
	"github.com/tcpctl/tcpctl/proxy/internal/tlsclient"
)

// Reason is one fixed word why a client waits or why its session ended. It is
// what code compares, what metrics have as a label and what programs read;
// free text for people stands beside it, as Record.Detail. A new reason is a
// new constant here, and needs nothing else.
type Reason = lock.Reason

// Why a client waits: each is an answer of the one gate.
const (
	ReasonPaused  Reason = "paused"  // the service is
	ReasonSlots   Reason = "slots"   // each slot of the lock is taken
	ReasonLimit   Reason = "limit"   // the service's own max_sessions
	ReasonFull    Reason = "full"    // every eligible backend is
	ReasonRetry   Reason = "retry"   // its dials failed: the next try is a little later
	ReasonPacing  Reason = "pacing"  // after a pause, so many a second
	ReasonLeaving Reason = "leaving" // it has been turned away
	ReasonHook    Reason = "hook"    // one runs, or must run first; also of a session that a failed hook has turned away
	// Of slots that nodes share.
	ReasonCluster      Reason = "cluster"       // it is not its turn over all nodes
	ReasonClusterLease Reason = "cluster_lease" // this node has no lease, since it reaches no majority; also of a session that was turned away for it
	// The voters have another version than this node, which gets no slots; likewise.
	ReasonClusterVersion Reason = "cluster_version"
	ReasonUpgrade        Reason = "upgrade" // an earlier client still waits in the process before this one
	// This process lacks something itself, as local ports or descriptors; also
	// of a session that was turned away for it.
	ReasonLocalLimit Reason = "local_limit"
	// No backend is up and ready; also of a session that was turned away for it.
	ReasonNoBackend Reason = "no_backend"
)

// Why a session ended.
const (
	ReasonFIN       Reason = "fin"       // one side ended its stream, and the other followed
	ReasonReset     Reason = "reset"     // by a peer
	ReasonTruncated Reason = "truncated" // a stream ended in good order, but inside a frame or a message of its Protocol
	// A TLS stream ended without close_notify: any host on the way can have cut
	// it there (RFC 8446, section 6.1).
	ReasonTLSTruncated Reason = "tls_truncated"
	ReasonLeaseLost    Reason = "lease_lost" // its slot was lost with the lease of this node: other nodes may have it
	ReasonAbandoned    Reason = "abandoned"  // the client went away before it was served
	ReasonConnect      Reason = "connect"    // no backend could be connected to

	// Of a check that failed, besides ReasonConnect, ReasonReset and those of TLS.
	ReasonTimeout Reason = "timeout" // its time has passed
	ReasonAnswer  Reason = "answer"  // the backend answers, and not as it should
	ReasonCommand Reason = "command" // the program that checks has failed

	// Of TLS with a backend: why it counts as one that could not be connected to.
	// ReasonNotTLS and ReasonTLS are, too.
	ReasonTLSUnknownCA = tlsclient.UnknownCA // its certificate is signed by another CA than those that are trusted
	ReasonTLSWrongName = tlsclient.WrongName // its certificate is for another name
	ReasonTLSExpired   = tlsclient.Expired   // its certificate is not valid any more, or not yet
	ReasonTLSTimeout   = tlsclient.Timeout   // it has not answered the handshake
	// An alert of TLS: of a backend that refuses the handshake, such as for want of
	// a certificate, or of either side later.
	ReasonTLSAlert = tlsclient.Alert

	ReasonIdle        Reason = "idle"               // nothing was carried for idle_timeout
	ReasonHalfClose   Reason = "half_close_timeout" // one side had ended, and the other was silent
	ReasonLifetime    Reason = "max_lifetime"       // the session was older than that
	ReasonTTL         Reason = "ttl"                // it has held its slot too long
	ReasonBackendDown Reason = "backend_down"       // and check.on_down is cut
	ReasonDrainLimit  Reason = "drain_limit"        // the limit of a drain has passed
	ReasonPauseLimit  Reason = "pause_limit"        // of live sessions
	ReasonQuietDrain  Reason = "quiet_drain"        // at a quiet moment, by a drain or pause
	ReasonKicked      Reason = "kicked"             // by an operator
	ReasonShutdown    Reason = "shutdown"           // of tcpctl
	ReasonPanic       Reason = "panic"              // a fault of the program

	ReasonQueueFull     Reason = "queue_full"     // queue.max clients wait already
	ReasonQueueTimeout  Reason = "queue_timeout"  // the client has waited for queue.timeout
	ReasonPauseDeadline Reason = "pause_deadline" // of waiters, under pause.on_max = "reject"
	ReasonWindowOverdue Reason = "window_overdue" // its command still runs at the pause's deadline

	ReasonDenied         Reason = "denied"              // by allow or deny
	ReasonSessionsPerIP  Reason = "sessions_per_ip"     // its address has max_sessions_per_ip live ones
	ReasonNewPerIP       Reason = "new_sessions_per_ip" // its address connects too often
	ReasonWaitingPerIP   Reason = "waiting_per_ip"      // its address has queue.max_per_ip waiters
	ReasonUntrustedProxy Reason = "untrusted_proxy"     // of an address that is not in trusted_proxies
	ReasonProxyHeader    Reason = "proxy_header"        // bad or missing
	ReasonTLS                   = tlsclient.Other       // its handshake failed
	ReasonNoHandshake    Reason = "no_handshake"        // of the client's Protocol

	// Of clients of an address that services share by SNI.
	ReasonNotTLS              = tlsclient.NotTLS  // what came is no ClientHello; of a backend: no TLS
	ReasonNoHello      Reason = "no_client_hello" // it was not whole in time, or the client ended before that
	ReasonNoServerName Reason = "no_server_name"  // it names none, and no service takes such a client
	ReasonServerName   Reason = "server_name"     // no service has the name

	// Handshakes of a Protocol that were answered with an error.
	ReasonHost        Reason = "host"        // the name that it asks for is not served
	ReasonAuth        Reason = "auth"        // its password or token is not known, or it has none
	ReasonOrigin      Reason = "origin"      // a web page that may not
	ReasonPath        Reason = "path"        // there is nothing
	ReasonMethod      Reason = "method"      // of HTTP
	ReasonNoUpgrade   Reason = "no_upgrade"  // a page was asked for, or a proxy in front has taken the Upgrade out
	ReasonVersion     Reason = "version"     // of the Protocol, or of HTTP
	ReasonSubprotocol Reason = "subprotocol" // the offer cannot be read
	ReasonEncoding    Reason = "encoding"    // it asks for one that there is not
	ReasonMalformed   Reason = "malformed"

	// Of clients that speak a Protocol.
	ReasonUnresponsive  Reason = "unresponsive"   // it has answered no ping, and sent nothing
	ReasonProtocolError Reason = "protocol_error" // it broke the rules
	ReasonInvalidText   Reason = "invalid_text"   // what the backend said is no text, which the client wants

	ReasonOther Reason = "other" // none of these
)

// refusals are the reasons of the proxy that are about one client and not about
// the state of the service: why it was turned away when it came.
var refusals = map[Reason]bool{
	ReasonDenied: true, ReasonSessionsPerIP: true, ReasonNewPerIP: true, ReasonWaitingPerIP: true, ReasonQueueFull: true,
	ReasonUntrustedProxy: true, ReasonProxyHeader: true, ReasonTLS: true,
	ReasonHost: true, ReasonAuth: true, ReasonOrigin: true, ReasonPath: true, ReasonMethod: true, ReasonNoUpgrade: true, ReasonVersion: true,
	ReasonSubprotocol: true, ReasonEncoding: true, ReasonMalformed: true,
}

// orderly says that a side has ended its stream with a FIN, so that the other
// may go on.
func orderly(r Reason) bool { return r == ReasonFIN || r == ReasonTruncated || r == ReasonTLSTruncated }

// texts are of the reasons whose word alone says too little to people.
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
	ReasonNoHello:        "no whole ClientHello",
	ReasonNoServerName:   "its ClientHello names no server",
	ReasonServerName:     "server name not served",
	ReasonHost:           "host not served",
	ReasonAuth:           "not authorized",
	ReasonOrigin:         "origin not allowed",
	ReasonPath:           "no WebSocket at this path",
	ReasonNoUpgrade:      "no Upgrade to a WebSocket",
	ReasonMalformed:      "bad handshake",
}

// explain says a reason and its detail to people: "kicked: by ana: too old".
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
