package history

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// level is one resolution of the series.
type level struct {
	name string
	step int64 // seconds
	keep time.Duration
}

// levels are the resolutions, finest first. keep 0 means Config.Keep.
var levels = [...]level{
	{"1s", 1, 10 * time.Minute},
	{"10s", 10, 6 * time.Hour},
	{"1m", 60, 0},
	{"1h", 3600, 0},
	{"3h", 3 * 3600, 0}, // a graph of a month has a row for each of its points
}

// column is one number of a step, and how to merge those of several steps.
type column struct{ name, merge string }

// kind is a kind of things with series: services or backends.
type kind struct {
	table   string // prefix of its tables' names
	thing   string // name of the id's column
	columns []column
}

var (
	services = kind{"service", "service", []column{{"state", "max"}, {"active", "max"}, {"waiting", "max"}, {"new", "sum"}, {"served", "sum"},
		{"failed", "sum"}, {"rejected", "sum"}, {"cut", "sum"}, {"abandoned", "sum"}, {"held", "sum"}, {"bytes_in", "sum"}, {"bytes_out", "sum"},
		{"wait_ms", "max"}, {"connect_us", "sum"}}}
	backends = kind{"backend", "backend", []column{{"state", "max"}, {"active", "max"}, {"new", "sum"}, {"failed", "sum"},
		{"bytes_in", "sum"}, {"bytes_out", "sum"}, {"check_us", "max"}}}
	kinds = [...]*kind{&services, &backends}
)

func (k *kind) at(l int) string { return k.table + "_" + levels[l].name }

// names returns the columns, each formatted by f.
func (k *kind) names(f func(column) string) string {
	all := make([]string, len(k.columns))
	for i, c := range k.columns {
		all[i] = f(c)
	}
	return strings.Join(all, ", ")
}

func plain(c column) string { return c.name }

// merged returns the SQL that merges a column over several steps.
func merged(c column) string { return c.merge + "(" + c.name + ")" }

// create returns the SQL for the table of a level. The key begins with the time, so that a second
// of all things is one page at the end.
func (k *kind) create(l int) string {
	return fmt.Sprintf("CREATE TABLE %s (at INTEGER NOT NULL, %s INTEGER NOT NULL, %s, PRIMARY KEY (at, %s)) WITHOUT ROWID;\n",
		k.at(l), k.thing, k.names(func(c column) string { return c.name + " INTEGER NOT NULL" }), k.thing)
}

// insert returns the SQL that adds a second; one that exists, because the clock was set back or
// another process has taken over within it, is merged.
func (k *kind) insert() string {
	return fmt.Sprintf("INSERT INTO %s (at, %s, %s) VALUES (?, ?%s) ON CONFLICT DO UPDATE SET %s", k.at(0), k.thing, k.names(plain),
		strings.Repeat(", ?", len(k.columns)), k.names(func(c column) string {
			if c.merge == "max" {
				return fmt.Sprintf("%s = max(%s, excluded.%s)", c.name, c.name, c.name)
			}
			return fmt.Sprintf("%s = %s + excluded.%s", c.name, c.name, c.name)
		}))
}

// rollUp returns the SQL that makes the steps of a level from those of the level below.
func (k *kind) rollUp(l int) string {
	step := levels[l].step
	return fmt.Sprintf("INSERT OR REPLACE INTO %s SELECT at/%d*%d, %s, %s FROM %s WHERE at >= ? AND at < ? GROUP BY at/%d, %s",
		k.at(l), step, step, k.thing, k.names(merged), k.at(l-1), step, k.thing)
}

// migrations each bring a file to the next version; the number of those that have run is its
// user_version. A released one is never changed.
var migrations = []func() string{version1, func() string { return topDays }, func() string { return detailTables },
	func() string { return services.create(4) + backends.create(4) }}

// detailTables have the clients in queues and with slots, the states of peers, and the progress of
// plans.
const detailTables = `
CREATE TABLE clients (since INTEGER NOT NULL, service INTEGER NOT NULL, role TEXT NOT NULL, session TEXT NOT NULL, until INTEGER NOT NULL,
	client TEXT NOT NULL, began_ms INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (since, service, role, session)) WITHOUT ROWID;
CREATE TABLE details (at INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, info TEXT NOT NULL, PRIMARY KEY (at, kind, key)) WITHOUT ROWID;

CREATE VIEW waiters AS SELECT datetime(c.since, 'unixepoch', 'localtime') AS time, t.service AS service_name, c.*
	FROM clients c JOIN things t ON t.id = c.service WHERE c.role = 'waiter';
CREATE VIEW holders AS SELECT datetime(c.since, 'unixepoch', 'localtime') AS time, t.service AS service_name, c.*
	FROM clients c JOIN things t ON t.id = c.service WHERE c.role = 'holder';
CREATE VIEW peers AS SELECT datetime(at, 'unixepoch', 'localtime') AS time, key AS peer, iif(info = '', 'gone', json_extract(nullif(info, ''), '$.state')) AS state,
	json_extract(nullif(info, ''), '$.cause') AS cause, json_extract(nullif(info, ''), '$.detail') AS detail, at, info FROM details WHERE kind = 'peer';
CREATE VIEW plans AS SELECT datetime(at, 'unixepoch', 'localtime') AS time, json_extract(nullif(info, ''), '$.id') AS plan, json_extract(nullif(info, ''), '$.service') AS service,
	iif(info = '', 'gone', json_extract(nullif(info, ''), '$.state')) AS state, at, info FROM details WHERE kind = 'plan';
`

// topDays reduces a query over a month to about thirty rows a client.
const topDays = `
CREATE TABLE top_clients_1d (at INTEGER NOT NULL, service INTEGER NOT NULL, client TEXT NOT NULL, sessions INTEGER NOT NULL,
	bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, waiting_ms INTEGER NOT NULL, PRIMARY KEY (at, service, client)) WITHOUT ROWID;
`

func version1() string {
	var b strings.Builder
	for _, k := range kinds {
		for l := range 4 {
			b.WriteString(k.create(l))
		}
	}
	b.WriteString(tables)
	for i, word := range serviceStates {
		fmt.Fprintf(&b, "INSERT INTO states VALUES ('service', %d, '%s');\n", i, word)
	}
	for i, word := range backendStates {
		fmt.Fprintf(&b, "INSERT INTO states VALUES ('backend', %d, '%s');\n", i, word)
	}
	return b.String()
}

const tables = `
CREATE TABLE things (id INTEGER PRIMARY KEY, service TEXT NOT NULL, backend TEXT NOT NULL, UNIQUE (service, backend));
CREATE TABLE states (kind TEXT NOT NULL, code INTEGER NOT NULL, word TEXT NOT NULL, PRIMARY KEY (kind, code)) WITHOUT ROWID;

CREATE TABLE changes (thing INTEGER NOT NULL, at_ms INTEGER NOT NULL, state INTEGER NOT NULL, detail TEXT NOT NULL, info TEXT NOT NULL, PRIMARY KEY (thing, at_ms)) WITHOUT ROWID;
CREATE INDEX changes_at ON changes (at_ms);

CREATE TABLE events (at_ms INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, level TEXT NOT NULL, service TEXT NOT NULL, backend TEXT NOT NULL,
	session TEXT NOT NULL, by TEXT NOT NULL, peer TEXT NOT NULL, text TEXT NOT NULL, command TEXT NOT NULL, PRIMARY KEY (at_ms, seq)) WITHOUT ROWID;
CREATE INDEX events_seq ON events (seq);
CREATE VIEW acts AS SELECT datetime(at_ms/1000, 'unixepoch', 'localtime') AS time, * FROM events WHERE kind = 'operator';
CREATE VIEW marks AS SELECT datetime(at_ms/1000, 'unixepoch', 'localtime') AS time, * FROM events WHERE kind = 'mark';

CREATE TABLE reports (id TEXT NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, kind TEXT NOT NULL, service TEXT NOT NULL,
	owner TEXT NOT NULL, state TEXT NOT NULL, report TEXT NOT NULL, PRIMARY KEY (started_ms, id)) WITHOUT ROWID;

CREATE TABLE top_clients (at INTEGER NOT NULL, service INTEGER NOT NULL, client TEXT NOT NULL, sessions INTEGER NOT NULL,
	bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, waiting_ms INTEGER NOT NULL, PRIMARY KEY (at, service, client)) WITHOUT ROWID;
CREATE TABLE top_clients_1h (at INTEGER NOT NULL, service INTEGER NOT NULL, client TEXT NOT NULL, sessions INTEGER NOT NULL,
	bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, waiting_ms INTEGER NOT NULL, PRIMARY KEY (at, service, client)) WITHOUT ROWID;

CREATE TABLE gaps (since INTEGER PRIMARY KEY, until INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE VIEW service_minutes AS SELECT datetime(m.at, 'unixepoch', 'localtime') AS time, t.service, s.word AS state_word, m.*
	FROM service_1m m JOIN things t ON t.id = m.service JOIN states s ON s.kind = 'service' AND s.code = m.state;
CREATE VIEW backend_minutes AS SELECT datetime(m.at, 'unixepoch', 'localtime') AS time, t.service, t.backend, s.word AS state_word, m.*
	FROM backend_1m m JOIN things t ON t.id = m.backend JOIN states s ON s.kind = 'backend' AND s.code = m.state;
CREATE VIEW state_changes AS SELECT datetime(c.at_ms/1000, 'unixepoch', 'localtime') AS time, t.service, t.backend, s.word AS state, c.detail
	FROM changes c JOIN things t ON t.id = c.thing JOIN states s ON s.code = c.state AND s.kind = iif(t.backend = '', 'service', 'backend')
	ORDER BY c.at_ms;
`

// serviceCounts returns the columns of a service's step: what was counted since the previous
// snapshot. longest is the longest wait that ended.
func serviceCounts(was, is *proxy.ServiceInfo, longest time.Duration) []any {
	waited := func(q *proxy.QueueInfo) int64 { return q.Granted + q.Abandoned + q.TimedOut + q.Kicked }
	connects := grown(was.Times.Connect.Count(), is.Times.Connect.Count())
	micros := int64(math.Round(1e6 * (is.Times.Connect.Sum - was.Times.Connect.Sum)))
	if is.Times.Connect.Count() < was.Times.Connect.Count() {
		micros = int64(1e6 * is.Times.Connect.Sum)
	}
	wait := max(longest, time.Duration(is.Queue.OldestSeconds*float64(time.Second)))
	return []any{serviceState(is), is.Sessions.Active, is.Queue.Waiting, grown(was.Sessions.Total, is.Sessions.Total), connects,
		grown(was.Sessions.Failed, is.Sessions.Failed), grown(was.Sessions.Rejected, is.Sessions.Rejected), grown(was.Sessions.Cut, is.Sessions.Cut),
		grown(was.Queue.Abandoned, is.Queue.Abandoned), grown(waited(&was.Queue), waited(&is.Queue)),
		grown(was.BytesIn, is.BytesIn), grown(was.BytesOut, is.BytesOut), wait.Milliseconds(), max(0, micros)}
}

func backendCounts(was, is *proxy.BackendInfo) []any {
	return []any{backendState(is), is.Active, grown(was.Total, is.Total), grown(was.Failed, is.Failed),
		grown(was.BytesIn, is.BytesIn), grown(was.BytesOut, is.BytesOut), int64(is.RTTSeconds * 1e6)}
}

// grown returns by how much a counter has grown; one that is lower than before has been reset.
func grown(was, is int64) int64 {
	if is < was {
		return is
	}
	return is - was
}
