package api

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Historian is a Source with a history: a *Local whose instance keeps one, and the
// client of a control socket. The console rewinds with it, and draws graphs of the
// time before it was opened.
type Historian interface {
	Source
	History
}

// History is the history of an instance. Each method returns at the latest when ctx
// is done, and fails with a refusal if no history is kept. For times before the
// oldest data, the result is empty and the error nil.
type History interface {
	// Remembered returns where the history is kept, since when, and what was lost.
	Remembered(ctx context.Context) (HistoryInfo, error)
	// Timeline returns events, acts and marks, in order.
	Timeline(ctx context.Context, q TimelineQuery) ([]proxy.Event, error)
	// Moment returns the status at a time.
	Moment(ctx context.Context, at time.Time) (*Moment, error)
	// Series returns numbers over a period, one Series per service, and one per backend
	// if q asks for them.
	Series(ctx context.Context, q SeriesQuery) ([]Series, error)
	// Top returns who used a service most.
	Top(ctx context.Context, q TopQuery) (*Top, error)
	// Incident returns the effect of a period on clients, and who did what.
	Incident(ctx context.Context, q Stretch) (*Incident, error)
}

// HistoryInfo is the state of the history.
type HistoryInfo struct {
	File   string    `json:"file,omitempty"`   // file of the history; "memory": lost at the end of the process; "off": none
	Oldest time.Time `json:"oldest,omitzero"`  // time of the oldest data; zero: nothing yet
	Bytes  int64     `json:"bytes,omitempty"`  // size on disk
	Failed string    `json:"failed,omitempty"` // why the history cannot be written now
	// Seconds and events that the disk did not take since the start.
	LostSeconds uint64 `json:"lost_seconds"`
	LostEvents  uint64 `json:"lost_events"`
}

// Stretch is a period of time, for all services or one.
type Stretch struct {
	Since   time.Time // inclusive
	Until   time.Time // exclusive; zero: now
	Service string    // "": all services
}

// TimelineQuery filters a list of events; zero fields do not filter.
type TimelineQuery struct {
	Stretch
	Kind  string // kind of event, or the first word of kinds: "backend"
	By    string // operator: "ana" or "ana@edge-01"
	Limit int    // most events, the newest; 0: 10,000
}

// Moment is the status at a time in the past.
type Moment struct {
	// At is the end of the step that the numbers are for, and StepSeconds its length:
	// 1 s for the last ten minutes, then 10 s, then a minute. With many services or on
	// a busy machine, seconds may be skipped: the step is then longer, and At before
	// the requested time.
	At          time.Time `json:"at"`
	StepSeconds float64   `json:"step_seconds"`
	// Status is the status at the requested time, and Before the same one step earlier,
	// so that a reader can subtract the counters to get rates. Counters start at the
	// beginning of the step. The first 32 holders of a lock are recorded, and the first
	// 128 peers of a mesh, with their numbers once a minute; sessions and connect times
	// are not recorded, and absent.
	Status *Status `json:"status"`
	Before *Status `json:"before"`
	// Waiters are the first 32 waiters of each queue, by service. Status has their
	// number.
	Waiters map[string][]proxy.WaiterInfo `json:"waiters,omitempty"`
	// PeersBeyond is the number of peers that the mesh in Status lacks.
	PeersBeyond int `json:"peers_beyond,omitempty"`
	// Report is the report of the plan in Status, if it had ended.
	Report *proxy.Report `json:"report,omitempty"`
	// Changed are the events of ten seconds before and after the time.
	Changed []proxy.Event `json:"changed"`
	// Missing is why nothing was recorded at that time; "": something was.
	Missing string `json:"missing,omitempty"`
}

// Around is how long before and after a moment events belong to it.
const Around = 10 * time.Second

// SeriesQuery selects the numbers of a period.
type SeriesQuery struct {
	Stretch
	Backends bool   // also those of backends
	Backend  string // only this backend
	Points   int    // most points per series; 0: 300
}

// Series are the numbers of one service or backend over time, in steps of equal
// length. A step without a record has no point.
type Series struct {
	Service     string  `json:"service"`
	Backend     string  `json:"backend,omitempty"` // "": the series is of the service
	StepSeconds float64 `json:"step_seconds"`
	Points      []Point `json:"points"`
}

// Point is one step of a Series: the increase of counters in it, and the largest
// value of gauges.
type Point struct {
	At        time.Time `json:"at"`    // start of the step
	State     string    `json:"state"` // worst state in the step; see StateWords
	Active    int       `json:"active"`
	Waiting   int       `json:"waiting,omitempty"`
	New       int64     `json:"new"`    // clients accepted; for a backend, sessions sent to it
	Served    int64     `json:"served"` // sessions that reached a backend
	Failed    int64     `json:"failed"` // for a backend, failed dials
	Rejected  int64     `json:"rejected,omitempty"`
	Cut       int64     `json:"cut,omitempty"`
	Abandoned int64     `json:"abandoned,omitempty"`
	Held      int64     `json:"held,omitempty"` // clients whose wait in the queue ended
	BytesIn   int64     `json:"bytes_in"`
	BytesOut  int64     `json:"bytes_out"`
	// WaitSeconds is the longest wait of a client, ended or not.
	WaitSeconds float64 `json:"wait_seconds,omitempty"`
	// LatencySeconds is the connect time: for a service the mean of connects for its
	// clients, for a backend the longest of its checks. 0: there was none.
	LatencySeconds float64 `json:"latency_seconds,omitempty"`
}

// Words for the state of a step, from best to worst. A step has its worst state.
var (
	ServiceStateWords = []string{proxy.StateOpen, proxy.StateReleasing, proxy.StatePausing, proxy.StatePaused, StateNoBackend, proxy.StateClosed}
	BackendStateWords = []string{proxy.StateUp, proxy.AdminMaint, proxy.AdminDrain, proxy.StateChecking, proxy.StateEjected, proxy.StateDown}
)

// StateNoBackend is the state of an open service without a backend that is up.
const StateNoBackend = "no_backend"

// TopQuery selects who used a service most.
type TopQuery struct {
	Stretch
	By    string // order: bytes, sessions or waiting; "": bytes
	Group string // rows: client, net (/24, IPv6 /64) or service; "": client
	Limit int    // 0: 10
}

// Top is who used a service most, in descending order. For each minute, the first
// ten clients of a service by bytes, sessions and waiting are known by address, and
// the rest only as a sum: Others.
type Top struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Group  string    `json:"group"`
	Rows   []Talker  `json:"rows"`
	Others Talker    `json:"others"` // sum of all that are not in Rows
	Total  Talker    `json:"total"`
}

// Talker is a client, network or service, and what it used.
type Talker struct {
	Name           string  `json:"name,omitempty"`
	Service        string  `json:"service,omitempty"` // absent if there are several
	BytesIn        int64   `json:"bytes_in"`
	BytesOut       int64   `json:"bytes_out"`
	Sessions       int64   `json:"sessions"` // sessions that began
	WaitingSeconds float64 `json:"waiting_seconds"`
	Share          float64 `json:"share"` // share of the total, by the requested order
}

// Incident is the effect of a period on clients, and who did what.
type Incident struct {
	Node     string          `json:"node"`
	Version  string          `json:"version"`
	Since    time.Time       `json:"since"`
	Until    time.Time       `json:"until"`
	Service  string          `json:"service,omitempty"` // "": all
	Impact   Impacts         `json:"impact"`
	Services []ServiceImpact `json:"services"`
	Outages  []Outage        `json:"outages"`
	Acts     []proxy.Event   `json:"acts"`    // acts of operators, with their command lines
	Marks    []proxy.Event   `json:"marks"`   // operators' notes
	Events   []proxy.Event   `json:"events"`  // other events, except those of level info
	Reports  []proxy.Report  `json:"reports"` // reports of plans that ran in the period
	Gaps     []Gap           `json:"gaps"`    // times without records
	Series   []Series        `json:"series"`  // series of services, for graphs
}

// Impacts is the effect of a period on clients.
type Impacts struct {
	Clients     int64   `json:"clients"` // clients accepted
	Served      int64   `json:"served"`  // sessions that reached a backend
	Failed      int64   `json:"failed"`
	Rejected    int64   `json:"rejected"`
	Cut         int64   `json:"cut"`
	Abandoned   int64   `json:"abandoned"`
	Held        int64   `json:"held"` // clients that waited and no longer do
	Waiting     int     `json:"waiting"`
	LongestWait float64 `json:"longest_wait_seconds"`
	BytesIn     int64   `json:"bytes_in"`
	BytesOut    int64   `json:"bytes_out"`
	PeakActive  int     `json:"peak_active"`
	PeakWaiting int     `json:"peak_waiting"`
}

// ServiceImpact is the effect on the clients of one service.
type ServiceImpact struct {
	Service string `json:"service"`
	Impacts
}

// Outage is a time during which a backend was down, or a service was paused, closed
// or without a backend.
type Outage struct {
	Target  string    `json:"target"` // "service" or "service/backend"
	State   string    `json:"state"`
	Detail  string    `json:"detail,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Seconds float64   `json:"seconds"`
	Before  bool      `json:"before,omitempty"` // whether it began before the period; Since is then its real start
	Ongoing bool      `json:"ongoing,omitempty"`
}

// Gap is a time without records.
type Gap struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}
