package proxy

import (
	"strings"

	"github.com/tcpctl/tcpctl/lock"
)

// Reason is one fixed word why a client waits or why its session ended. It is
// what code compares, what metrics have as a label and what programs read;
// free text for people stands beside it, as Record.Detail. A new reason is a
// new constant here, and needs nothing else.
type Reason = lock.Reason

// Why a client waits: each is an answer of the one gate.
const (
	ReasonPaused  Reason = "paused"
	ReasonSlots   Reason = "slots"   // each slot of the lock is taken
	ReasonLimit   Reason = "limit"   // the service's own max_sessions
	ReasonFull    Reason = "full"    // every eligible backend is
	ReasonRetry   Reason = "retry"   // its dials failed: the next try is a little later
	ReasonPacing  Reason = "pacing"  // after a pause, so many a second
	ReasonLeaving Reason = "leaving" // it has been turned away
	ReasonHook    Reason = "hook"    // one runs, or must run first; also of a session that a failed hook has turned away
	ReasonUpgrade Reason = "upgrade" // who came earlier still waits in the process before this one
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
	ReasonAbandoned Reason = "abandoned" // the client went away before it was served
	ReasonConnect   Reason = "connect"   // no backend could be connected to

	ReasonIdle        Reason = "idle"
	ReasonHalfClose   Reason = "half_close_timeout"
	ReasonLifetime    Reason = "max_lifetime"
	ReasonTTL         Reason = "ttl" // it has held its slot too long
	ReasonBackendDown Reason = "backend_down"
	ReasonDrainLimit  Reason = "drain_limit"
	ReasonPauseLimit  Reason = "pause_limit" // of live sessions
	ReasonKicked      Reason = "kicked"
	ReasonShutdown    Reason = "shutdown"

	ReasonQueueFull     Reason = "queue_full"
	ReasonQueueTimeout  Reason = "queue_timeout"
	ReasonPauseDeadline Reason = "pause_deadline" // of waiters, under pause.on_max = "reject"
	ReasonWindowOverdue Reason = "window_overdue" // its command still runs at the pause's deadline

	ReasonDenied         Reason = "denied" // by allow or deny
	ReasonSessionsPerIP  Reason = "sessions_per_ip"
	ReasonNewPerIP       Reason = "new_sessions_per_ip"
	ReasonUntrustedProxy Reason = "untrusted_proxy"
	ReasonProxyHeader    Reason = "proxy_header" // bad or missing
	ReasonTLS            Reason = "tls"          // its handshake failed
	ReasonNoHandshake    Reason = "no_handshake" // of the client's Protocol

	ReasonOther Reason = "other"
)

// texts are of the reasons whose word alone says too little to people.
var texts = map[Reason]string{
	ReasonHalfClose:      "half-close timeout",
	ReasonSessionsPerIP:  "too many sessions from its address",
	ReasonNewPerIP:       "too many new sessions from its address",
	ReasonUntrustedProxy: "not a trusted proxy",
	ReasonProxyHeader:    "bad PROXY header",
	ReasonTLS:            "TLS handshake failed",
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
