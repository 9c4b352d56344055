package history

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// batch is one second, passed from the sampler to the writer.
type batch struct {
	now     time.Time
	status  *api.Status                   // nil: the engine did not answer
	waits   map[string]time.Duration      // the longest waits that ended, by service
	waiters map[string][]proxy.WaiterInfo // the first of each queue that is not empty, by service
	minute  int64                         // the minute of talkers
	talkers []talkerRow                   // nil: unchanged
	earlier *earlier                      // set by the writer
	events  []proxy.Event
	dropped uint64         // events that came too fast for the ring
	reports []proxy.Report // of plans that have changed

	begin   bool // only sets the counters from which the next batch is counted
	suspend bool // close the file after this batch

	reached chan struct{} // closed once all earlier batches are handled; then nothing else is set
}

// second returns the batch's second: the one before the snapshot.
func (b *batch) second() int64 { return b.now.Add(-500 * time.Millisecond).Unix() }

// put writes a batch. was is the previously written snapshot. If the time between the two is longer
// than gap, that is recorded as a gap with the reason why. After an error the store must be closed:
// its state is then ahead of the file.
func (s *store) put(was *api.Status, b *batch, gap time.Duration, why string) error {
	at := b.second()
	last := map[thing]change{}
	clients, details := s.clients, s.details
	err := s.transact(func(tx *sql.Tx) error {
		if s.newest > 0 && b.now.Sub(time.Unix(s.newest, 0)) > gap {
			if _, err := tx.Exec("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?)", s.newest+1, at, why); err != nil {
				return err
			}
		}
		if err := s.putStatus(tx, was, b, last); err != nil {
			return err
		}
		if b.status != nil {
			var err error
			if clients, details, err = s.putDetails(tx, b); err != nil {
				return err
			}
		}
		if err := s.putEvents(tx, b.events); err != nil {
			return err
		}
		if err := s.putTalkers(tx, b); err != nil {
			return err
		}
		return putReports(tx, b.reports)
	})
	if err != nil {
		return err
	}
	for t, c := range last {
		if c.state == gone {
			delete(s.last, t)
		} else {
			s.last[t] = c
		}
	}
	s.newest, s.clients, s.details = at, clients, details
	return nil
}

func (s *store) putStatus(tx *sql.Tx, was *api.Status, b *batch, last map[thing]change) error {
	if b.status == nil {
		return nil
	}
	before, at := was.Node.Now, b.second()
	counts := [len(kinds)]*sql.Stmt{}
	for i := range counts {
		counts[i] = tx.Stmt(s.inserts[i])
	}
	put := func(t thing, c change, stmt *sql.Stmt, counted []any) error {
		last[t] = c
		id, err := s.putChange(tx, t, c, before, b)
		if err != nil {
			return err
		}
		_, err = stmt.Exec(append([]any{at, id}, counted...)...)
		return err
	}
	for i := range b.status.Services {
		is := &b.status.Services[i]
		old := was.Service(is.Name)
		if old == nil {
			old = &proxy.ServiceInfo{}
		}
		if err := put(thing{is.Name, ""}, serviceChange(is, b.now), counts[0], serviceCounts(old, is, b.waits[is.Name])); err != nil {
			return err
		}
		for n := range is.Backends {
			one := &is.Backends[n]
			oldOne := was.Backend(is.Name + "/" + one.Name)
			if oldOne == nil {
				oldOne = &proxy.BackendInfo{}
			}
			if err := put(thing{is.Name, one.Name}, backendChange(one), counts[1], backendCounts(oldOne, one)); err != nil {
				return err
			}
		}
	}
	if err := s.putGone(tx, last, b.now); err != nil {
		return err
	}
	return s.putNode(tx, &b.status.Node)
}

// putGone records which services and backends no longer exist.
func (s *store) putGone(tx *sql.Tx, last map[thing]change, now time.Time) error {
	for t := range s.last {
		if _, there := last[t]; there {
			continue
		}
		last[t] = change{state: gone}
		if _, err := tx.Exec("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, '', '')", s.things[t], now.UnixMilli(), gone); err != nil {
			return err
		}
	}
	return nil
}

func putReports(tx *sql.Tx, reports []proxy.Report) error {
	for i := range reports {
		r := &reports[i]
		ended := int64(0)
		if !r.Ended.IsZero() {
			ended = r.Ended.UnixMilli()
		}
		if _, err := tx.Exec("INSERT OR REPLACE INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?)", r.ID, r.Started.UnixMilli(), ended,
			r.Kind, r.Service, r.Owner, r.State, encode(r)); err != nil {
			return err
		}
	}
	return nil
}

// putChange records the state of a thing if it has changed, and returns the thing's id.
func (s *store) putChange(tx *sql.Tx, t thing, c change, before time.Time, b *batch) (id int64, err error) {
	if id, err = s.id(tx, t); err != nil {
		return 0, err
	}
	o, known := s.last[t]
	if known && o.info == c.info && o.state == c.state {
		return id, nil
	}
	when := time.Unix(b.second(), 0) // a new thing has its first state from the beginning of the second
	if known {
		when = c.exact(before, b.now, b.second())
	}
	_, err = tx.Exec("INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?)", id, when.UnixMilli(), c.state, c.detail, c.info)
	return id, err
}

// putNode records which program wrote the history.
func (s *store) putNode(tx *sql.Tx, n *api.Node) error {
	slow := *n
	slow.Now = time.Time{}
	_, err := tx.Exec("INSERT OR REPLACE INTO meta VALUES ('node', ?)", encode(&slow))
	return err
}

// id returns the number of a thing, which it assigns if need be.
func (s *store) id(tx *sql.Tx, t thing) (int64, error) {
	if id, ok := s.things[t]; ok {
		return id, nil
	}
	var id int64 // in an upgrade, the other process may have assigned it meanwhile
	err := tx.QueryRow("INSERT INTO things (service, backend) VALUES (?, ?) ON CONFLICT DO UPDATE SET service = service RETURNING id", t.service, t.backend).Scan(&id)
	if err != nil {
		return 0, err
	}
	s.things[t] = id
	return id, nil
}

func (s *store) putEvents(tx *sql.Tx, events []proxy.Event) error {
	for i := range events {
		ev := &events[i]
		if _, err := tx.Exec("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ev.Time.UnixMilli(), ev.Seq, ev.Kind, ev.Level,
			ev.Service, ev.Backend, ev.Session, ev.By, ev.Peer, ev.Text, ev.Command); err != nil {
			return err
		}
	}
	return nil
}

// earlier has the rows that a minute had before this process wrote its own: those of a process that
// was replaced or killed within it.
type earlier struct {
	minute int64
	rows   []talkerRow
}

// read reads the rows at the beginning of a minute.
func (e *earlier) read(s *store, tx *sql.Tx, minute int64) error {
	if e.minute == minute {
		return nil
	}
	names := map[int64]string{}
	for t, id := range s.things {
		names[id] = t.service
	}
	e.rows = nil
	err := each(tx, func(scan func(...any) error) error {
		var r talkerRow
		var id, ms int64
		err := scan(&id, &r.client, &r.sessions, &r.in, &r.out, &ms)
		r.service, r.waiting = names[id], time.Duration(ms)*time.Millisecond
		e.rows = append(e.rows, r)
		return err
	}, "SELECT service, client, sessions, bytes_in, bytes_out, waiting_ms FROM top_clients WHERE at = ?", minute)
	if err == nil {
		e.minute = minute
	}
	return err
}

// putTalkers replaces the rows of a minute.
func (s *store) putTalkers(tx *sql.Tx, b *batch) error {
	if b.talkers == nil {
		return nil
	}
	if err := b.earlier.read(s, tx, b.minute); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM top_clients WHERE at = ?", b.minute); err != nil {
		return err
	}
	for _, r := range append(slices.Clone(b.earlier.rows), b.talkers...) {
		id, err := s.id(tx, thing{r.service, ""})
		if err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO top_clients VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET sessions = sessions + excluded.sessions, "+
			"bytes_in = bytes_in + excluded.bytes_in, bytes_out = bytes_out + excluded.bytes_out, waiting_ms = waiting_ms + excluded.waiting_ms",
			b.minute, id, r.client, r.sessions, r.in, r.out, r.waiting.Milliseconds()); err != nil {
			return err
		}
	}
	return nil
}

// past returns what an engine continues from: the newest events and reports.
func (s *store) past(most int) (p proxy.Past, err error) {
	err = each(s.write, func(scan func(...any) error) error {
		ev, err := scanEvent(scan)
		p.Events = append(p.Events, ev)
		return err
	}, "SELECT * FROM (SELECT "+eventColumns+" FROM events ORDER BY seq DESC LIMIT ?) ORDER BY seq", most)
	if n := len(p.Events); n > 0 {
		p.LastEvent = p.Events[n-1].Seq
	}
	if err != nil {
		return p, err
	}
	p.Reports, err = s.reports(s.write, "ORDER BY started_ms DESC LIMIT 32")
	for _, r := range p.Reports {
		if n, err := strconv.Atoi(r.ID[min(1, len(r.ID)):]); err == nil {
			p.Plans = max(p.Plans, n)
		}
	}
	return p, err
}

func (s *store) reports(db queryer, where string, args ...any) (all []proxy.Report, err error) {
	return all, each(db, func(scan func(...any) error) error {
		var text []byte
		if err := scan(&text); err != nil {
			return err
		}
		var r proxy.Report
		if json.Unmarshal(text, &r) == nil { // omit one of another version
			all = append(all, r)
		}
		return nil
	}, "SELECT report FROM reports "+where, args...)
}

const eventColumns = "at_ms, seq, kind, level, service, backend, session, by, peer, text, command"

func scanEvent(scan func(...any) error) (ev proxy.Event, err error) {
	var ms int64
	err = scan(&ms, &ev.Seq, &ev.Kind, &ev.Level, &ev.Service, &ev.Backend, &ev.Session, &ev.By, &ev.Peer, &ev.Text, &ev.Command)
	ev.Time = time.UnixMilli(ms)
	return ev, err
}
