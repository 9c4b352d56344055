package proxy

import (
	"fmt"
	"time"
)

// Service states, as in ServiceInfo.State.
const (
	StateOpen      = "open"
	StatePausing   = "pausing"   // new clients are held, live sessions end by themselves
	StatePaused    = "paused"    // new clients are held, no session is live
	StateReleasing = "releasing" // the clients that waited are being admitted
	StateClosed    = "closed"    // the listeners are closed, so that an outer balancer moves on
)

// Backend health, as in BackendInfo.State. Checks set it; operators set the
// admin state.
const (
	StateUp       = "up"
	StateDown     = "down"
	StateChecking = "checking" // new, or ready after maint: no check has passed yet
	StateEjected  = "ejected"  // up, but gets no new sessions for a while because sessions failed on it
)

// Admin states of a backend, as in BackendInfo.Admin.
const (
	AdminReady = "ready"
	AdminDrain = "drain" // gets no new sessions; live ones end by themselves; checks continue
	AdminMaint = "maint" // drained, and checks stop
)

// Waiter states, as in WaiterInfo.State.
const (
	WaiterWaiting   = "waiting"
	WaiterVerifying = "verifying" // ended its side after sending data: gone, or only half-closed?
	WaiterNext      = "next"      // the head of the queue
)

// ServiceInfo is one service at one moment. Counters only grow; readers subtract
// them to get rates.
type ServiceInfo struct {
	Name     string        `json:"name"`
	Listen   []string      `json:"listen"`        // listen addresses, with the actual port for ":0"; empty: closed
	SNI      []string      `json:"sni,omitempty"` // TLS server names by which the service shares its addresses
	State    string        `json:"state"`
	Removing bool          `json:"removing,omitempty"` // a reload has removed the service, which is closed and serves its last clients
	Reason   Reason        `json:"reason,omitempty"`   // why the head of the queue waits
	Balance  string        `json:"balance"`
	Scope    string        `json:"scope,omitempty"` // cluster: pauses, windows, admin states and weights apply on all nodes
	Sessions SessionCounts `json:"sessions"`
	Queue    QueueInfo     `json:"queue"`
	Lock     *LockInfo     `json:"lock,omitempty"`
	Hook     *HookInfo     `json:"hook,omitempty"`
	Pause    *PauseInfo    `json:"pause,omitempty"`
	// PauseDefaults are the defaults of a pause, restart, window or roll; absent
	// if another version of tcpctl serves.
	PauseDefaults *PauseDefaults `json:"pause_defaults,omitempty"`
	BytesIn       int64          `json:"bytes_in"`  // bytes from clients
	BytesOut      int64          `json:"bytes_out"` // bytes to clients
	Times         TimesInfo      `json:"times"`
	Endings       []EndingInfo   `json:"endings,omitempty"`
	// The client lists that are kept in files.
	AllowList *ClientListInfo `json:"allow_list,omitempty"`
	DenyList  *ClientListInfo `json:"deny_list,omitempty"`
	Closes    []CloseInfo     `json:"closes,omitempty"` // ended sessions by close code, if clients speak a Protocol
	// TLSFailures are the failed TLS handshakes with clients and backends.
	TLSFailures []TLSFailure `json:"tls_failures,omitempty"`
	Plans       []PlanCount  `json:"plans,omitempty"` // ended plans by result
	// Discovery are the sources of the service's backends.
	Discovery []DiscoveryInfo `json:"discovery,omitempty"`
	Backends  []BackendInfo   `json:"backends"`
}

// SessionCounts counts a service's sessions.
type SessionCounts struct {
	Active   int   `json:"active"`           // sessions admitted and not ended
	Bypass   int   `json:"bypass,omitempty"` // active sessions that bypass a pause (rule 15)
	Total    int64 `json:"total"`            // clients accepted since the start
	Failed   int64 `json:"failed"`           // clients that were held or waiting and were not served
	Cut      int64 `json:"cut"`              // live sessions ended by tcpctl or by the death of their backend
	Rejected int64 `json:"rejected"`         // clients refused before they waited
	Max      int   `json:"max,omitempty"`    // most active sessions; absent: no limit
	// Redispatched is the number of dials to another backend after a failed dial.
	Redispatched int64 `json:"redispatched"`
}

// QueueInfo is the queue of one service.
type QueueInfo struct {
	Waiting        int     `json:"waiting"`
	OldestSeconds  float64 `json:"oldest_seconds"`
	Granted        int64   `json:"granted"`   // clients admitted after waiting
	Abandoned      int64   `json:"abandoned"` // clients that went away by themselves
	TimedOut       int64   `json:"timed_out"`
	Kicked         int64   `json:"kicked"`
	Max            int     `json:"max"`              // most clients that may wait; 0: limited by file descriptors only
	WaitP50Seconds float64 `json:"wait_p50_seconds"` // median wait of the last few hundred admitted clients and of those still waiting
	WaitP99Seconds float64 `json:"wait_p99_seconds"`
}

// LockInfo is the semaphore in front of one service.
type LockInfo struct {
	Slots int    `json:"slots"`
	Scope string `json:"scope,omitempty"` // cluster: all nodes share the slots, and in_use counts this node's; absent: the slots are this node's
	// LeaseSeconds is how long the node's cluster lease remains valid; absent: it has none.
	LeaseSeconds float64      `json:"lease_seconds,omitempty"`
	WhenLost     string       `json:"when_lost,omitempty"` // with scope cluster: what happens to clients without a lease: hold or reject
	Order        string       `json:"order,omitempty"`     // with scope cluster: order of clients across nodes: strict or shares
	Share        int          `json:"share,omitempty"`     // with order shares: slots that this node grants by itself now, in use or not
	InUse        int          `json:"in_use"`
	TTLSeconds   float64      `json:"ttl_seconds,omitempty"`
	Holders      []HolderInfo `json:"holders,omitempty"`
}

// Text returns how many slots are in use, for people.
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
	Token       uint64  `json:"token,omitempty"` // fencing token of the slot, if the lock is cluster-wide
}

// PauseInfo is a pause: its owner, reason and deadline.
type PauseInfo struct {
	Owner        string     `json:"owner"`        // operator: "ana@edge-01"
	By           string     `json:"by,omitempty"` // act or plan that holds the pause: pause, window, restart
	Reason       string     `json:"reason,omitempty"`
	Since        time.Time  `json:"since"`
	Until        time.Time  `json:"until"`           // deadline; every pause has one
	Limit        *time.Time `json:"limit,omitempty"` // when Then applies to live sessions
	Then         string     `json:"then,omitempty"`
	QuietSeconds float64    `json:"quiet_seconds,omitempty"` // as in a drain
	Held         int        `json:"held"`                    // clients that the pause holds now
	Step         string     `json:"step,omitempty"`          // step of the plan that holds the pause
	Scope        string     `json:"scope,omitempty"`         // cluster: the pause applies on all nodes that have the service
	// Overdue is true if the pause outlasts Until because a window's command is still running.
	Overdue bool `json:"overdue,omitempty"`
}

// PauseDefaults is the PauseConfig in force of a service.
type PauseDefaults struct {
	LimitSeconds float64 `json:"limit_seconds,omitempty"` // how long live sessions may take to end; absent: as long as the pause
	Then         string  `json:"then"`                    // what happens at that limit: abort, cut or keep
	MaxSeconds   float64 `json:"max_seconds"`             // longest pause
	QuietSeconds float64 `json:"quiet_seconds,omitempty"` // the service's drain.quiet, which also applies to drains
	OnMax        string  `json:"on_max"`                  // what happens to waiters at max_seconds: resume or reject
	Rate         float64 `json:"rate,omitempty"`          // waiters admitted per second afterwards; absent: all at once
}

// BackendInfo is one backend of one service at one moment.
type BackendInfo struct {
	Name        string        `json:"name"`
	Addr        string        `json:"addr"`
	State       string        `json:"state"`
	Admin       string        `json:"admin"`
	Eligible    bool          `json:"eligible"`
	Reason      string        `json:"reason,omitempty"` // why the backend is not eligible, in a few words
	Since       time.Time     `json:"since"`            // when State or Admin last changed
	Active      int           `json:"active"`
	Total       int64         `json:"total"`
	Failed      int64         `json:"failed"` // dials that failed
	Peak        int           `json:"peak"`
	Transitions int64         `json:"transitions"` // how often the backend went down
	Weight      int           `json:"weight"`
	Priority    int           `json:"priority"`
	MaxSessions int           `json:"max_sessions,omitempty"`
	TLS         string        `json:"tls,omitempty"`       // TLS to the backend: verified or unverified; absent: none
	Ejected     *EjectionInfo `json:"ejected,omitempty"`   // the current ejection; absent: not ejected
	Ejections   int64         `json:"ejections,omitempty"` // how often the backend was ejected
	Drain       *DrainInfo    `json:"drain,omitempty"`
	Check       *CheckInfo    `json:"check,omitempty"`
	Checks      *CheckCounts  `json:"checks,omitempty"`
	RTTSeconds  float64       `json:"rtt_seconds,omitempty"` // connect time of the last passed check
	BytesIn     int64         `json:"bytes_in"`
	BytesOut    int64         `json:"bytes_out"`
	Removing    bool          `json:"removing,omitempty"` // the backend is removed once it has no sessions
	FoundBy     string        `json:"found_by,omitempty"` // kind of the source that found it; absent: configured or added by an operator
}

// DrainInfo is a drain, as long as sessions remain or its limit has not passed.
type DrainInfo struct {
	StartedWith int        `json:"started_with"`
	Remaining   int        `json:"remaining"`
	Since       time.Time  `json:"since"`
	Until       *time.Time `json:"until,omitempty"` // time of the limit; absent: no limit
	Then        string     `json:"then,omitempty"`
	// QuietSeconds is how long a session must have carried no data to be ended;
	// absent: sessions end by themselves.
	QuietSeconds float64 `json:"quiet_seconds,omitempty"`
	By           string  `json:"by,omitempty"`
	Reason       string  `json:"reason,omitempty"`
}

// CheckInfo is the last check of a backend.
type CheckInfo struct {
	OK          bool      `json:"ok"`
	Consecutive int       `json:"consecutive"`      // consecutive checks with this result
	Threshold   int       `json:"threshold"`        // consecutive checks that change the state: rise or fall
	Reason      Reason    `json:"reason,omitempty"` // why the check failed: connect, timeout, answer, tls_expired
	Detail      string    `json:"detail"`
	At          time.Time `json:"at"`
	By          string    `json:"by,omitempty"` // node of the cluster that checks for this node; absent: this node checks
	// Last is the latest results, oldest first: '+' passed, '!' failed.
	Last string `json:"last,omitempty"`
}

// WaiterInfo is one client in the queue.
type WaiterInfo struct {
	ID            string  `json:"id"`
	Position      int     `json:"position"` // position in the queue, from 1
	Client        string  `json:"client"`
	WaitedSeconds float64 `json:"waited_seconds"`
	State         string  `json:"state"`
	Reason        Reason  `json:"reason"`
	// Arrival is the number by which all nodes of a cluster-wide lock know the client; 0: none yet.
	Arrival uint64 `json:"arrival,omitempty"`
}

// SessionInfo is one session, live or recently ended.
type SessionInfo struct {
	ID          string  `json:"id"`
	Service     string  `json:"service"`
	Backend     string  `json:"backend,omitempty"`
	Client      string  `json:"client"`
	Via         string  `json:"via"`   // how the client connected: tcp, tls or ws
	Phase       string  `json:"phase"` // phase of the session: queue, connect or relay
	Runner      string  `json:"relay,omitempty"`
	AgeSeconds  float64 `json:"age_seconds"`
	IdleSeconds float64 `json:"idle_seconds"`
	BytesIn     int64   `json:"bytes_in"`
	BytesOut    int64   `json:"bytes_out"`
	Bypass      bool    `json:"bypass,omitempty"`
	Token       uint64  `json:"token,omitempty"`            // fencing token of its slot, if the lock is cluster-wide
	Subprotocol string  `json:"subprotocol,omitempty"`      // subprotocol of the WebSocket
	PingSeconds float64 `json:"ping_rtt_seconds,omitempty"` // round trip of the last WebSocket ping
	Ended       *Record `json:"ended,omitempty"`
	PID         int     `json:"pid,omitempty"` // process of the session, if an upgrade has replaced it; 0: the newest process
}

// Sides that end a session, and the phases in which it ends.
const (
	ByClient   = "client"
	ByBackend  = "backend"
	ByProxy    = "proxy"
	ByOperator = "operator"

	PhaseQueue   = "queue"
	PhaseConnect = "connect"
	PhaseRelay   = "relay"
)

// Record is the record of one ended session. Every session has exactly one,
// however it ended.
type Record struct {
	ID              string    `json:"id"`
	Service         string    `json:"service"`
	Backend         string    `json:"backend,omitempty"`
	Client          string    `json:"client"`
	Via             string    `json:"via"`
	Listener        string    `json:"listener,omitempty"`    // address that the client connected to; only for OnRecord
	TLSVersion      string    `json:"tls_version,omitempty"` // "TLS 1.3"
	TLSName         string    `json:"tls_name,omitempty"`    // server name that the client asked for (SNI)
	By              string    `json:"ended_by"`
	Phase           string    `json:"phase"`
	Reason          Reason    `json:"reason"`           // fixed word, such as fin, reset, idle or queue_timeout; see events
	Detail          string    `json:"detail,omitempty"` // free text beside the reason: "by ana: too old", "connection refused"
	Opened          time.Time `json:"opened"`
	Ended           time.Time `json:"ended"`
	WaitedSeconds   float64   `json:"waited_seconds"`
	ConnectSeconds  float64   `json:"connect_seconds"`
	DurationSeconds float64   `json:"duration_seconds"`
	BytesIn         int64     `json:"bytes_in"`
	BytesOut        int64     `json:"bytes_out"`
	Dials           int       `json:"dials"`
	Served          bool      `json:"served"` // whether the session reached a backend
	Subprotocol     string    `json:"subprotocol,omitempty"`
	CloseCode       int       `json:"close_code,omitempty"` // WebSocket close code; 1006: no Close frame
	Token           uint64    `json:"token,omitempty"`      // fencing token of its slot, if the lock is cluster-wide
}

// Cause returns why the session ended, for people: "kicked: by ana: too old".
func (r *Record) Cause() string { return explain(r.Reason, r.Detail) }

// PlanInfo is a restart, window or roll with its steps.
type PlanInfo struct {
	ID      string     `json:"id"`
	Kind    string     `json:"kind"` // kind of plan: restart, window or roll
	Service string     `json:"service"`
	Owner   string     `json:"owner,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	State   string     `json:"state,omitempty"` // state: running, paused, done, failed or aborted
	Steps   []StepInfo `json:"steps"`
}

// StepInfo is one step of a plan.
type StepInfo struct {
	What    string  `json:"what"`
	State   string  `json:"state"` // state: waiting, running, done, failed or skipped
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail,omitempty"`
}
