package api

import (
	"context"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Historian is a Source that remembers what was: *Local where its instance
// keeps a history, and the client of a control socket. The console rewinds by
// it, and has its graphs from before it came.
type Historian interface {
	Source
	History
}

// History is what an instance remembers. Each method returns within the
// context's time, and fails with a refusal that says why where no history is
// kept. What is asked for from a time before the oldest is empty, not wrong.
type History interface {
	// Remembered says where the history is kept, since when, and what was lost.
	Remembered(ctx context.Context) (HistoryInfo, error)
	// Timeline lists events, acts and marks, in order.
	Timeline(ctx context.Context, q TimelineQuery) ([]proxy.Event, error)
	// Moment is how everything was at a time.
	Moment(ctx context.Context, at time.Time) (*Moment, error)
	// Series are numbers over a stretch of time, one Series a service, and one a
	// backend where q asks for them.
	Series(ctx context.Context, q SeriesQuery) ([]Series, error)
	// Top is who used a service most.
	Top(ctx context.Context, q TopQuery) (*Top, error)
	// Incident is what a stretch of time meant to clients, and who did what.
	Incident(ctx context.Context, q Stretch) (*Incident, error)
}

// HistoryInfo says how it stands with the history.
type HistoryInfo struct {
	File   string    `json:"file,omitempty"`   // "memory": it ends with the process; "off": there is none
	Oldest time.Time `json:"oldest,omitzero"`  // of what is remembered; zero: nothing yet
	Bytes  int64     `json:"bytes,omitempty"`  // on disk
	Failed string    `json:"failed,omitempty"` // why nothing is written at the moment
	// Lost are the seconds and events that are not in it, since the start: the
	// disk did not take them.
	LostSeconds uint64 `json:"lost_seconds"`
	LostEvents  uint64 `json:"lost_events"`
}

// Stretch is a stretch of time, of all services or of one.
type Stretch struct {
	Since   time.Time // inclusive
	Until   time.Time // exclusive; zero: now
	Service string    // "": all
}

// TimelineQuery narrows a list of events; zero fields do not.
type TimelineQuery struct {
	Stretch
	Kind  string // a kind of event, or the first word of one: "backend"
	By    string // who acted: "ana", "ana@edge-01"
	Limit int    // the newest so many; 0: 10,000
}

// Moment is how everything was at a time.
type Moment struct {
	// At is the end of the step that the numbers are of, and StepSeconds its
	// length: 1 s for the last ten minutes, then 10 s, then a minute. It is longer
	// where a second was left out, of many services or on a busy machine: At is
	// before the time that was asked for then.
	At          time.Time `json:"at"`
	StepSeconds float64   `json:"step_seconds"`
	// Status has the states as they were at the time that was asked for, and
	// Before the same one step earlier: from the two a reader gets the rates as
	// from any two. Counters count from the beginning of the step. Of a lock's
	// holders the first 32 are recorded, of a mesh the first 128 peers, their
	// numbers once a minute; sessions and times of connects are not, and absent.
	Status *Status `json:"status"`
	Before *Status `json:"before"`
	// Waiters are the first 32 of each queue, by service. Status has how many
	// there were.
	Waiters map[string][]proxy.WaiterInfo `json:"waiters,omitempty"`
	// PeersBeyond is how many peers there were besides those of Status.Mesh.
	PeersBeyond int `json:"peers_beyond,omitempty"`
	// Report is that of the plan in Status, where it had ended.
	Report *proxy.Report `json:"report,omitempty"`
	// Changed are the events of the ten seconds before and after the time.
	Changed []proxy.Event `json:"changed"`
	// Missing says why nothing was recorded at that time; "": it was.
	Missing string `json:"missing,omitempty"`
}

// Around is how long before and after a moment what changed belongs to it.
const Around = 10 * time.Second

// SeriesQuery asks for the numbers of a stretch.
type SeriesQuery struct {
	Stretch
	Backends bool   // those of the backends, too
	Backend  string // of this one only
	Points   int    // at most so many each, and no more than are recorded; 0: 300
}

// Series are the numbers of one service or backend, in steps of one length.
// A step without a record has no point.
type Series struct {
	Service     string  `json:"service"`
	Backend     string  `json:"backend,omitempty"` // "": of the service
	StepSeconds float64 `json:"step_seconds"`
	Points      []Point `json:"points"`
}

// Point is one step of a Series: what was counted in it, and the largest of
// what goes up and down.
type Point struct {
	At        time.Time `json:"at"`    // its beginning
	State     string    `json:"state"` // the worst in it; see StateWords
	Active    int       `json:"active"`
	Waiting   int       `json:"waiting,omitempty"`
	New       int64     `json:"new"`    // accepted; of a backend: sent there
	Served    int64     `json:"served"` // reached a backend
	Failed    int64     `json:"failed"` // of a backend: dials
	Rejected  int64     `json:"rejected,omitempty"`
	Cut       int64     `json:"cut,omitempty"`
	Abandoned int64     `json:"abandoned,omitempty"`
	Held      int64     `json:"held,omitempty"` // whose wait in the queue ended
	BytesIn   int64     `json:"bytes_in"`
	BytesOut  int64     `json:"bytes_out"`
	// WaitSeconds is the longest wait of a client whose wait ended or went on.
	WaitSeconds float64 `json:"wait_seconds,omitempty"`
	// LatencySeconds is that of connects: of a service the mean of its clients'
	// connects to backends, of a backend the longest of its checks' connects.
	// 0: there was none.
	LatencySeconds float64 `json:"latency_seconds,omitempty"`
}

// Words for the state of a step, from the best to the worst, which stands for
// all of it.
var (
	ServiceStateWords = []string{proxy.StateOpen, proxy.StateReleasing, proxy.StatePausing, proxy.StatePaused, StateNoBackend, proxy.StateClosed}
	BackendStateWords = []string{proxy.StateUp, proxy.AdminMaint, proxy.AdminDrain, proxy.StateChecking, proxy.StateEjected, proxy.StateDown}
)

// StateNoBackend is that of a service that is open and has no backend that is up.
const StateNoBackend = "no_backend"

// TopQuery asks who used a service most.
type TopQuery struct {
	Stretch
	By    string // bytes, sessions or waiting; "": bytes
	Group string // client, net (/24, IPv6 /64) or service; "": client
	Limit int    // 0: 10
}

// Top is who used it most, the first most of all. Of each minute the ten
// clients of a service that lead in any of the three are known by address,
// and the rest together: Others.
type Top struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Group  string    `json:"group"`
	Rows   []Talker  `json:"rows"`
	Others Talker    `json:"others"` // all who are not in Rows
	Total  Talker    `json:"total"`
}

// Talker is a client, a network or a service, and what it used.
type Talker struct {
	Name           string  `json:"name,omitempty"`
	Service        string  `json:"service,omitempty"` // absent where it is several
	BytesIn        int64   `json:"bytes_in"`
	BytesOut       int64   `json:"bytes_out"`
	Sessions       int64   `json:"sessions"` // that began
	WaitingSeconds float64 `json:"waiting_seconds"`
	Share          float64 `json:"share"` // of the total, by what was asked for
}

// Incident is what a stretch of time meant to clients, and who did what.
type Incident struct {
	Node     string          `json:"node"`
	Version  string          `json:"version"`
	Since    time.Time       `json:"since"`
	Until    time.Time       `json:"until"`
	Service  string          `json:"service,omitempty"` // "": all
	Impact   Impacts         `json:"impact"`
	Services []ServiceImpact `json:"services"`
	Outages  []Outage        `json:"outages"`
	Acts     []proxy.Event   `json:"acts"`    // of operators, with their command lines
	Marks    []proxy.Event   `json:"marks"`   // notes
	Events   []proxy.Event   `json:"events"`  // all others that are more than information
	Reports  []proxy.Report  `json:"reports"` // of plans that ran meanwhile
	Gaps     []Gap           `json:"gaps"`    // of which nothing is known
	Series   []Series        `json:"series"`  // of services, for graphs
}

// Impacts are counts of clients.
type Impacts struct {
	Clients     int64   `json:"clients"` // accepted
	Served      int64   `json:"served"`  // reached a backend
	Failed      int64   `json:"failed"`
	Rejected    int64   `json:"rejected"`
	Cut         int64   `json:"cut"`
	Abandoned   int64   `json:"abandoned"`
	Held        int64   `json:"held"` // waited in a queue, and do not any more
	Waiting     int     `json:"waiting"`
	LongestWait float64 `json:"longest_wait_seconds"`
	BytesIn     int64   `json:"bytes_in"`
	BytesOut    int64   `json:"bytes_out"`
	PeakActive  int     `json:"peak_active"`
	PeakWaiting int     `json:"peak_waiting"`
}

// ServiceImpact is what it meant to the clients of one service.
type ServiceImpact struct {
	Service string `json:"service"`
	Impacts
}

// Outage is a time in which a backend was down, or a service was paused,
// closed or without a backend.
type Outage struct {
	Target  string    `json:"target"` // "service" or "service/backend"
	State   string    `json:"state"`
	Detail  string    `json:"detail,omitempty"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Seconds float64   `json:"seconds"`
	Before  bool      `json:"before,omitempty"` // it began before the stretch; Since is its own beginning
	Ongoing bool      `json:"ongoing,omitempty"`
}

// Gap is a time of which nothing was recorded.
type Gap struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}
