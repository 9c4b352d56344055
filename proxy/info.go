package proxy

import (
	"fmt"
	"time"
)

// Service states, as in ServiceInfo.State.
const (
	StateOpen      = "open"
	StatePausing   = "pausing"   // new clients are held, live sessions end on their own
	StatePaused    = "paused"    // held, and no live session is left
	StateReleasing = "releasing" // the clients that waited are being admitted
	StateClosed    = "closed"    // the listener is closed: an outer balancer moves on
)

// Backend health, as in BackendInfo.State. It is what the checks found;
// what operators want is the admin state.
const (
	StateUp       = "up"
	StateDown     = "down"
	StateChecking = "checking" // new, or back from maint: no check has been good yet
	StateEjected  = "ejected"  // up, but real sessions have failed on it: it gets no new ones for a while
)

// Admin states of a backend, as in BackendInfo.Admin.
const (
	AdminReady = "ready"
	AdminDrain = "drain" // no new sessions; live ones end by themselves; checks go on
	AdminMaint = "maint" // the same, and checks stop
)

// Waiter states, as in WaiterInfo.State.
const (
	WaiterWaiting   = "waiting"
	WaiterVerifying = "verifying" // ended its side after bytes: gone, or only half-closed?
	WaiterNext      = "next"      // the head of the queue
)

// ServiceInfo is one service at one moment. Counters only grow; a rate is a
// subtraction that the reader does.
type ServiceInfo struct {
	Name     string        `json:"name"`
	Listen   []string      `json:"listen"`        // where it does: with the ports that ":0" has got; empty: it is closed
	SNI      []string      `json:"sni,omitempty"` // the names by which it shares its addresses
	State    string        `json:"state"`
	Reason   Reason        `json:"reason,omitempty"` // the head of the queue waits
	Balance  string        `json:"balance"`
	Scope    string        `json:"scope,omitempty"` // cluster: pauses, windows, admin states and weights hold on all nodes
	Sessions SessionCounts `json:"sessions"`
	Queue    QueueInfo     `json:"queue"`
	Lock     *LockInfo     `json:"lock,omitempty"`
	Hook     *HookInfo     `json:"hook,omitempty"`
	Pause    *PauseInfo    `json:"pause,omitempty"`
	// PauseDefaults is what holds for a pause, restart, window or roll that
	// does not say otherwise; absent where another version of tcpctl serves.
	PauseDefaults *PauseDefaults `json:"pause_defaults,omitempty"`
	BytesIn       int64          `json:"bytes_in"`  // from clients
	BytesOut      int64          `json:"bytes_out"` // to clients
	Times         TimesInfo      `json:"times"`
	Endings       []EndingInfo   `json:"endings,omitempty"`
	// The lists of clients that are kept in files.
	AllowList *ClientListInfo `json:"allow_list,omitempty"`
	DenyList  *ClientListInfo `json:"deny_list,omitempty"`
	Closes    []CloseInfo     `json:"closes,omitempty"` // of clients that speak a Protocol
	// TLSFailures are the TLS handshakes with clients and backends that have failed.
	TLSFailures []TLSFailure `json:"tls_failures,omitempty"`
	Plans       []PlanCount  `json:"plans,omitempty"` // that have ended
	// Discovery are the sources that find backends for the service.
	Discovery []DiscoveryInfo `json:"discovery,omitempty"`
	Backends  []BackendInfo   `json:"backends"`
}

// SessionCounts counts a service's sessions.
type SessionCounts struct {
	Active   int   `json:"active"`           // admitted and not ended
	Bypass   int   `json:"bypass,omitempty"` // of those, let through a pause (rule 15)
	Total    int64 `json:"total"`            // accepted since the start
	Failed   int64 `json:"failed"`           // held or waiting, and not served
	Cut      int64 `json:"cut"`              // live, and ended by us or by the backend's death
	Rejected int64 `json:"rejected"`         // refused before they waited
	Max      int   `json:"max,omitempty"`    // admitted at a time; absent: no limit
	// Redispatched counts dials to another backend after one had failed.
	Redispatched int64 `json:"redispatched"`
}

// QueueInfo is the queue of one service.
type QueueInfo struct {
	Waiting        int     `json:"waiting"`
	OldestSeconds  float64 `json:"oldest_seconds"`
	Granted        int64   `json:"granted"`   // admitted after they had waited
	Abandoned      int64   `json:"abandoned"` // gave up on their own
	TimedOut       int64   `json:"timed_out"`
	Kicked         int64   `json:"kicked"`
	Max            int     `json:"max"`              // 0: no limit but descriptors
	WaitP50Seconds float64 `json:"wait_p50_seconds"` // of the last few hundred that were admitted, and of all that wait
	WaitP99Seconds float64 `json:"wait_p99_seconds"`
}

// LockInfo is the semaphore in front of one service.
type LockInfo struct {
	Slots int    `json:"slots"`
	Scope string `json:"scope,omitempty"` // cluster: the slots are of all nodes, and those in use this one's; absent: this node's
	// LeaseSeconds is for how long the node's lease of the cluster runs still; absent: it has none.
	LeaseSeconds float64      `json:"lease_seconds,omitempty"`
	WhenLost     string       `json:"when_lost,omitempty"` // of scope cluster: hold or reject, what becomes of clients meanwhile
	Order        string       `json:"order,omitempty"`     // of scope cluster, on all nodes: strict or shares
	Share        int          `json:"share,omitempty"`     // with order shares: slots that this node hands out by itself now, in use or not
	InUse        int          `json:"in_use"`
	TTLSeconds   float64      `json:"ttl_seconds,omitempty"`
	Holders      []HolderInfo `json:"holders,omitempty"`
}

// Text says how many slots are in use.
func (l *LockInfo) Text() string {
	switch {
	case l.Scope != ScopeCluster:
		return fmt.Sprintf("%d of %d slots", l.InUse, l.Slots)
	case l.LeaseSeconds == 0:
		return fmt.Sprintf("no lease, %d of %d slots in use here", l.InUse, l.Slots)
	}
	if l.Order == OrderShares {
		return fmt.Sprintf("%d of %d slots in use here, which has %d by share", l.InUse, l.Slots, l.Share)
	}
	return fmt.Sprintf("%d of %d slots in use here", l.InUse, l.Slots)
}

// HolderInfo is a session that holds a slot.
type HolderInfo struct {
	ID          string  `json:"id"`
	Client      string  `json:"client"`
	HeldSeconds float64 `json:"held_seconds"`
	Token       uint64  `json:"token,omitempty"` // the fencing token of a slot of all nodes
}

// PauseInfo is a pause: whose it is, why, and until when.
type PauseInfo struct {
	Owner        string     `json:"owner"`        // the operator: "ana@edge-01"
	By           string     `json:"by,omitempty"` // by what: pause, window, restart
	Reason       string     `json:"reason,omitempty"`
	Since        time.Time  `json:"since"`
	Until        time.Time  `json:"until"`           // the deadline: no pause is without one
	Limit        *time.Time `json:"limit,omitempty"` // when Then happens to the live sessions
	Then         string     `json:"then,omitempty"`
	QuietSeconds float64    `json:"quiet_seconds,omitempty"` // as of a drain
	Held         int        `json:"held"`                    // clients that wait now
	Step         string     `json:"step,omitempty"`          // of the plan that holds it
	Scope        string     `json:"scope,omitempty"`         // cluster: it holds on all nodes that have the service
	// Overdue: it stands beyond Until, since a window's command still runs.
	Overdue bool `json:"overdue,omitempty"`
}

// PauseDefaults is a service's PauseConfig, as it holds.
type PauseDefaults struct {
	LimitSeconds float64 `json:"limit_seconds,omitempty"` // for live sessions; absent: as long as the pause
	Then         string  `json:"then"`                    // at that limit
	MaxSeconds   float64 `json:"max_seconds"`             // the longest pause
	QuietSeconds float64 `json:"quiet_seconds,omitempty"` // the service's drain.quiet, which holds for drains, too
	OnMax        string  `json:"on_max"`                  // then: resume, or reject the waiters
	Rate         float64 `json:"rate,omitempty"`          // waiters admitted a second afterwards; absent: all at once
}

// BackendInfo is one backend of one service at one moment.
type BackendInfo struct {
	Name        string        `json:"name"`
	Addr        string        `json:"addr"`
	State       string        `json:"state"`
	Admin       string        `json:"admin"`
	Eligible    bool          `json:"eligible"`
	Reason      string        `json:"reason,omitempty"` // one word or two why it is not eligible
	Since       time.Time     `json:"since"`            // of State and Admin, whichever changed last
	Active      int           `json:"active"`
	Total       int64         `json:"total"`
	Failed      int64         `json:"failed"` // dials
	Peak        int           `json:"peak"`
	Transitions int64         `json:"transitions"` // times it went down
	Weight      int           `json:"weight"`
	Priority    int           `json:"priority"`
	MaxSessions int           `json:"max_sessions,omitempty"`
	TLS         string        `json:"tls,omitempty"`       // that is spoken to it: verified, unverified; absent: none
	Ejected     *EjectionInfo `json:"ejected,omitempty"`   // since sessions failed on it; absent: it is not
	Ejections   int64         `json:"ejections,omitempty"` // times it was ejected
	Drain       *DrainInfo    `json:"drain,omitempty"`
	Check       *CheckInfo    `json:"check,omitempty"`
	Checks      *CheckCounts  `json:"checks,omitempty"`
	RTTSeconds  float64       `json:"rtt_seconds,omitempty"` // of the last good check's connect
	BytesIn     int64         `json:"bytes_in"`
	BytesOut    int64         `json:"bytes_out"`
	Removing    bool          `json:"removing,omitempty"` // gone once it is empty
	FoundBy     string        `json:"found_by,omitempty"` // the kind of its source; absent: it is configured, or an operator's
}

// DrainInfo follows a drain while sessions remain, or its limit is still to come.
type DrainInfo struct {
	StartedWith int        `json:"started_with"`
	Remaining   int        `json:"remaining"`
	Since       time.Time  `json:"since"`
	Until       *time.Time `json:"until,omitempty"` // absent: no limit
	Then        string     `json:"then,omitempty"`
	// QuietSeconds is how long a session must have carried nothing to be ended;
	// absent: each ends by itself.
	QuietSeconds float64 `json:"quiet_seconds,omitempty"`
	By           string  `json:"by,omitempty"`
	Reason       string  `json:"reason,omitempty"`
}

// CheckInfo is the last check of a backend.
type CheckInfo struct {
	OK          bool      `json:"ok"`
	Consecutive int       `json:"consecutive"`      // results alike in a row
	Threshold   int       `json:"threshold"`        // how many in a row change the state: rise or fall
	Reason      Reason    `json:"reason,omitempty"` // why it failed: connect, timeout, answer, tls_expired
	Detail      string    `json:"detail"`
	At          time.Time `json:"at"`
	By          string    `json:"by,omitempty"` // the node of the cluster that checks for this one; absent: it checks itself
	// Last is the newest results, oldest first: '+' good, '!' bad.
	Last string `json:"last,omitempty"`
}

// WaiterInfo is one client in the queue.
type WaiterInfo struct {
	ID            string  `json:"id"`
	Position      int     `json:"position"` // from 1
	Client        string  `json:"client"`
	WaitedSeconds float64 `json:"waited_seconds"`
	State         string  `json:"state"`
	Reason        Reason  `json:"reason"`
	// Arrival is by which number all nodes know it, where the lock is theirs; 0: by none yet.
	Arrival uint64 `json:"arrival,omitempty"`
}

// SessionInfo is one session: live, or ended not long ago (Record is set).
type SessionInfo struct {
	ID          string  `json:"id"`
	Service     string  `json:"service"`
	Backend     string  `json:"backend,omitempty"`
	Client      string  `json:"client"`
	Via         string  `json:"via"`   // tcp, tls, ws
	Phase       string  `json:"phase"` // queue, connect, relay
	Runner      string  `json:"relay,omitempty"`
	AgeSeconds  float64 `json:"age_seconds"`
	IdleSeconds float64 `json:"idle_seconds"`
	BytesIn     int64   `json:"bytes_in"`
	BytesOut    int64   `json:"bytes_out"`
	Bypass      bool    `json:"bypass,omitempty"`
	Token       uint64  `json:"token,omitempty"`            // the fencing token of its slot, of a lock over all nodes
	Subprotocol string  `json:"subprotocol,omitempty"`      // of WebSocket
	PingSeconds float64 `json:"ping_rtt_seconds,omitempty"` // of WebSocket's last ping
	Ended       *Record `json:"ended,omitempty"`
	PID         int     `json:"pid,omitempty"` // of the process that has it, which an upgrade has replaced; 0: the newest
}

// Which side ended a session, and in which phase.
const (
	ByClient   = "client"
	ByBackend  = "backend"
	ByProxy    = "proxy"
	ByOperator = "operator"

	PhaseQueue   = "queue"
	PhaseConnect = "connect"
	PhaseRelay   = "relay"
)

// Record is written once for every session, at its end, whatever its ending.
type Record struct {
	ID              string    `json:"id"`
	Service         string    `json:"service"`
	Backend         string    `json:"backend,omitempty"`
	Client          string    `json:"client"`
	Via             string    `json:"via"`
	Listener        string    `json:"listener,omitempty"`    // the address that the client connected to; only for OnRecord
	TLSVersion      string    `json:"tls_version,omitempty"` // "TLS 1.3"
	TLSName         string    `json:"tls_name,omitempty"`    // the name that the client asked for (SNI)
	By              string    `json:"ended_by"`
	Phase           string    `json:"phase"`
	Reason          Reason    `json:"reason"`           // fin, reset, idle, queue_timeout, …
	Detail          string    `json:"detail,omitempty"` // free text beside it: "by ana: too old", "connection refused"
	Opened          time.Time `json:"opened"`
	Ended           time.Time `json:"ended"`
	WaitedSeconds   float64   `json:"waited_seconds"`
	ConnectSeconds  float64   `json:"connect_seconds"`
	DurationSeconds float64   `json:"duration_seconds"`
	BytesIn         int64     `json:"bytes_in"`
	BytesOut        int64     `json:"bytes_out"`
	Dials           int       `json:"dials"`
	Served          bool      `json:"served"` // it reached a backend
	Subprotocol     string    `json:"subprotocol,omitempty"`
	CloseCode       int       `json:"close_code,omitempty"` // of WebSocket; 1006: without a Close frame
	Token           uint64    `json:"token,omitempty"`      // the fencing token of its slot, of a lock over all nodes
}

// Cause says to people why the session ended: "kicked: by ana: too old".
func (r *Record) Cause() string { return explain(r.Reason, r.Detail) }

// PlanInfo is a restart, window or roll: its steps, and how far it is.
type PlanInfo struct {
	ID      string     `json:"id"`
	Kind    string     `json:"kind"` // restart, window, roll
	Service string     `json:"service"`
	Owner   string     `json:"owner,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	State   string     `json:"state,omitempty"` // running, paused, done, failed, aborted
	Steps   []StepInfo `json:"steps"`
}

// StepInfo is one step of a plan.
type StepInfo struct {
	What    string  `json:"what"`
	State   string  `json:"state"` // waiting, running, done, failed, skipped
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail,omitempty"`
}
