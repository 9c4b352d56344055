package history

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Moment is how everything was at a time.
func (r *Recorder) Moment(ctx context.Context, at time.Time) (*api.Moment, error) {
	return ask(ctx, r, func(v *view) (*api.Moment, error) { return v.moment(at) })
}

func (v *view) moment(at time.Time) (*api.Moment, error) {
	m := &api.Moment{Status: &api.Status{Services: []proxy.ServiceInfo{}}, Before: &api.Status{Services: []proxy.ServiceInfo{}}}
	var err error
	if m.Missing, err = v.missing(at.Unix()); err != nil {
		return nil, err
	}
	level := v.levelAt(at.Unix())
	step := levels[level].step
	row := at.Unix() / step * step
	if level == 0 && m.Missing == "" {
		if row, step, err = v.secondAt(row); err != nil {
			return nil, err
		}
	}
	m.StepSeconds, m.At = float64(step), time.Unix(row+levels[level].step, 0)
	if m.Changed, err = v.timeline(api.TimelineQuery{Stretch: api.Stretch{Since: at.Add(-api.Around), Until: at.Add(api.Around)}}); err != nil {
		return nil, err
	}
	if err := v.node(&m.Status.Node); err != nil {
		return nil, err
	}
	m.Before.Node = m.Status.Node
	m.Status.Node.Now, m.Before.Node.Now = m.At, m.At.Add(-time.Duration(step)*time.Second)
	if err := v.states(m, at); err != nil {
		return nil, err
	}
	for _, k := range kinds {
		if err := v.numbers(m, k, level, row); err != nil {
			return nil, err
		}
	}
	return m, v.details(m, at.Unix())
}

// levelAt returns the finest level that has a step for that time.
func (v *view) levelAt(unix int64) int {
	for l := range levels {
		if at := unix / levels[l].step * levels[l].step; at >= v.oldest[l] && at < v.rolled[l] {
			return l
		}
	}
	return 0
}

// secondAt returns the row with the numbers of a second, and how many seconds it covers. A second
// may have no row of its own: with many services, snapshots are taken less often, and a busy
// machine may miss one. Then the state is that of the row before, and the next row has the counts
// of all the time between the two.
func (v *view) secondAt(unix int64) (row, seconds int64, err error) {
	var rows []int64
	err = v.each(func(scan func(...any) error) error {
		rows = append(rows, 0)
		return scan(&rows[len(rows)-1])
	}, fmt.Sprintf("SELECT DISTINCT at FROM %s WHERE at <= ? ORDER BY at DESC LIMIT 2", services.at(0)), unix)
	if err != nil || len(rows) == 0 {
		return unix, 1, err
	}
	row, seconds = rows[0], 1
	if len(rows) == 2 {
		gap, err := v.missing(row - 1)
		if err != nil || gap != "" {
			return row, 1, err
		}
		seconds = row - rows[1]
	}
	return row, seconds, nil
}

// missing says why nothing was recorded at a time; "": something was.
func (v *view) missing(unix int64) (why string, err error) {
	switch {
	case unix >= v.rolled[0] && v.rolled[0] > 0:
		return "it is later than what is recorded", nil
	case v.rolled[0] == 0 || unix < slices.Min(v.oldest[:]):
		return "it is before what is remembered", nil
	}
	return why, v.each(func(scan func(...any) error) error { return scan(&why) },
		"SELECT reason FROM gaps WHERE since <= ? AND until > ?", unix, unix)
}

func (v *view) node(n *api.Node) error {
	return v.each(func(scan func(...any) error) error {
		var text []byte
		if err := scan(&text); err != nil {
			return err
		}
		return json.Unmarshal(text, n)
	}, "SELECT value FROM meta WHERE key = 'node'")
}

// states fills in the services and backends that existed, and their states.
func (v *view) states(m *api.Moment, at time.Time) error {
	type found struct {
		t    thing
		info []byte
	}
	var all []found
	err := v.each(func(scan func(...any) error) error {
		var f found
		var state int
		if err := scan(&f.t.service, &f.t.backend, &state, &f.info); err != nil || state == gone {
			return err
		}
		all = append(all, f)
		return nil
	}, `SELECT t.service, t.backend, c.state, c.info FROM things t JOIN changes c ON c.thing = t.id
		WHERE c.at_ms = (SELECT max(at_ms) FROM changes WHERE thing = t.id AND at_ms <= ?) ORDER BY t.id`, at.UnixMilli())
	for _, f := range all {
		var s proxy.ServiceInfo
		if f.t.backend != "" || json.Unmarshal(f.info, &s) != nil {
			continue
		}
		s.Backends = []proxy.BackendInfo{}
		for _, h := range []*proxy.Histogram{&s.Times.Connect, &s.Times.Wait, &s.Times.Session} { // not recorded
			h.Bounds, h.Counts = []float64{}, []int64{} // in JSON a list is [], never null
		}
		m.Status.Services = append(m.Status.Services, s)
	}
	for _, f := range all {
		var b proxy.BackendInfo
		if f.t.backend == "" || json.Unmarshal(f.info, &b) != nil {
			continue
		}
		if s := m.Status.Service(f.t.service); s != nil {
			s.Backends = append(s.Backends, b)
		}
	}
	for _, s := range m.Status.Services {
		s.Backends = append([]proxy.BackendInfo{}, s.Backends...)
		m.Before.Services = append(m.Before.Services, s)
	}
	return err
}

// numbers fills in the numbers of the row at a time.
func (v *view) numbers(m *api.Moment, k *kind, level int, at int64) error {
	return v.each(func(scan func(...any) error) error {
		var id int64
		row := make([]int64, len(k.columns))
		into := []any{&id}
		for i := range row {
			into = append(into, &row[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		t, p := v.things[id], pointOf(k, row)
		if s := m.Status.Service(t.service); s != nil && k == &services {
			s.Sessions = proxy.SessionCounts{Active: p.Active, Total: p.New, Failed: p.Failed, Cut: p.Cut, Rejected: p.Rejected}
			s.Queue.Waiting, s.Queue.OldestSeconds, s.Queue.Abandoned = p.Waiting, p.WaitSeconds, p.Abandoned
			s.BytesIn, s.BytesOut = p.BytesIn, p.BytesOut
			if s.Lock != nil {
				s.Lock.InUse = min(p.Active, s.Lock.Slots)
			}
			if s.Pause != nil {
				s.Pause.Held = p.Waiting
			}
		} else if b := m.Status.Backend(t.service + "/" + t.backend); b != nil {
			b.Active, b.Total, b.Failed, b.BytesIn, b.BytesOut, b.RTTSeconds = p.Active, p.New, p.Failed, p.BytesIn, p.BytesOut, p.LatencySeconds
			if b.Drain != nil {
				b.Drain.Remaining = p.Active
			}
		}
		return nil
	}, fmt.Sprintf("SELECT %s, %s FROM %s WHERE at = ?", k.thing, k.names(plain), k.at(level)), at)
}
