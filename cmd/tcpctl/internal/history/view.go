package history

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// view runs one query on an open file.
type view struct {
	ctx context.Context
	db  queryer
	now int64 // anything recorded later was recorded before the clock was set back

	things map[int64]thing
	oldest [len(levels)]int64 // the oldest step of each level; if after rolled, there is none
	rolled [len(levels)]int64 // end of the newest step of each level
}

// begin reads which things and steps there are.
func (v *view) begin() error {
	v.things = map[int64]thing{}
	err := v.each(func(scan func(...any) error) error {
		var id int64
		var t thing
		err := scan(&id, &t.service, &t.backend)
		v.things[id] = t
		return err
	}, "SELECT id, service, backend FROM things")
	for l := range levels {
		if err != nil {
			return err
		}
		err = v.each(func(scan func(...any) error) error {
			var first, last sql.NullInt64
			err := scan(&first, &last)
			v.oldest[l], v.rolled[l] = first.Int64, last.Int64+levels[l].step
			if step := levels[l].step; l > 0 {
				v.rolled[l] = min(v.rolled[l], v.now/step*step)
			}
			if !last.Valid {
				v.oldest[l], v.rolled[l] = 1<<62, 0
			}
			return err
		}, fmt.Sprintf("SELECT (SELECT min(at) FROM %[1]s), (SELECT max(at) FROM %[1]s WHERE at <= ?)", services.at(l)), v.now)
	}
	return err
}

func (v *view) each(row func(scan func(...any) error) error, query string, args ...any) error {
	return eachContext(v.ctx, v.db, row, query, args...)
}

// part is a period to read from one level.
type part struct {
	level    int
	from, to int64
}

// parts covers a period: as far as possible with steps of the level most; the edges, and what is
// not rolled up yet, with shorter steps; and with longer ones where only those exist.
func (v *view) parts(since, until int64, most int) (all []part) {
	for t := since; t < until; {
		p := v.part(t, until, most)
		if n := len(all); n > 0 && all[n-1].level == p.level && all[n-1].to == p.from {
			all[n-1].to = p.to
		} else {
			all = append(all, p)
		}
		t = p.to
	}
	return all
}

// part returns the first part of a period.
func (v *view) part(t, until int64, most int) part {
	for l := most; l > 0; l-- {
		step := levels[l].step
		end := min(until/step*step, v.rolled[l])
		if t%step != 0 || t < v.oldest[l] || end <= t {
			continue
		}
		if l < most { // up to the beginning of a longer step
			longer := levels[l+1].step
			if next := (t/longer + 1) * longer; next < end {
				end = next
			}
		}
		return part{l, t, end}
	}
	// An edge: the shortest steps that exist for that time.
	for l := range levels {
		step := levels[l].step
		at := t / step * step
		if at < v.oldest[l] || at >= v.rolled[l] && l > 0 {
			continue
		}
		if l > 0 && at == v.oldest[l] && at < v.oldest[l-1] && v.oldest[l-1] < at+step {
			continue // recording began within this step: shorter ones say when, and have all of it
		}
		end := at + step
		if l == 0 {
			end = until
			if longer := levels[1].step; most > 0 {
				end = min(until, (t/longer+1)*longer)
			}
		}
		return part{l, at, max(end, t+1)}
	}
	// Nothing is recorded here: continue where something is.
	next := until
	for l := range levels {
		if v.oldest[l] > t {
			next = min(next, v.oldest[l])
		}
	}
	return part{0, t, max(next, t+1)}
}

// ids returns the ids of the matching things, as an SQL list.
func (v *view) ids(match func(thing) bool) (list string) {
	var all []int64
	for id, t := range v.things {
		if match(t) {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(all), " ", ","), "[]")
}

// levelOf returns the highest level whose steps are at most that long.
func levelOf(step int64) int {
	l := len(levels) - 1
	for l > 0 && levels[l].step > step {
		l--
	}
	return l
}

// stepFor returns the length of steps, a multiple of a level's, with which a period has at most
// that many points.
func stepFor(since, until int64, points int) int64 {
	step := max((until-since+int64(points)-1)/int64(points), 1)
	base := levels[levelOf(step)].step
	return (step + base - 1) / base * base
}

// Series are the numbers of a stretch.
func (r *Recorder) Series(ctx context.Context, q api.SeriesQuery) ([]api.Series, error) {
	return ask(ctx, r, func(v *view) ([]api.Series, error) { return v.series(q) })
}

func (v *view) series(q api.SeriesQuery) ([]api.Series, error) {
	since, until, err := bounds(q.Stretch)
	if err != nil {
		return nil, err
	}
	step := stepFor(since, until, cmp.Or(max(q.Points, 0), 300))
	since = since / step * step
	read := func(k *kind, match func(thing) bool) ([]api.Series, error) {
		points := map[seriesKey]*[]int64{}
		list := v.ids(match)
		for _, p := range v.parts(since, until, levelOf(step)) {
			if err := v.addPart(points, k, list, p, since, step); err != nil {
				return nil, err
			}
		}
		return v.seriesOf(k, points, since, step), nil
	}
	inService := func(t thing) bool { return q.Service == "" || t.service == q.Service }
	all, err := read(&services, func(t thing) bool { return t.backend == "" && q.Backend == "" && inService(t) })
	if err == nil && (q.Backends || q.Backend != "") {
		var more []api.Series
		more, err = read(&backends, func(t thing) bool {
			return t.backend != "" && inService(t) && (q.Backend == "" || t.backend == q.Backend)
		})
		all = append(all, more...)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := &all[i], &all[j]
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Backend, b.Backend)) < 0
	})
	return all, err
}

type seriesKey struct{ id, bucket int64 }

// addPart adds the rows of a part to the buckets of the requested steps.
func (v *view) addPart(points map[seriesKey]*[]int64, k *kind, list string, p part, since, step int64) error {
	return v.each(func(scan func(...any) error) error {
		var key seriesKey
		row := make([]int64, len(k.columns))
		into := []any{&key.id, &key.bucket}
		for i := range row {
			into = append(into, &row[i])
		}
		if err := scan(into...); err != nil {
			return err
		}
		have := points[key]
		if have == nil {
			points[key] = &row
			return nil
		}
		for i, c := range k.columns {
			if c.merge == "max" {
				(*have)[i] = max((*have)[i], row[i])
			} else {
				(*have)[i] += row[i]
			}
		}
		return nil
	}, addPartQuery(k, list, p.level, since, step), p.from, p.to)
}

// addPartQuery groups rows only if several make one step, since grouping takes longer than reading.
func addPartQuery(k *kind, list string, level int, since, step int64) string {
	columns, group := merged, " GROUP BY 1, 2"
	if levels[level].step == step {
		columns, group = plain, ""
	}
	return fmt.Sprintf("SELECT %s, max(at-%d, 0)/%d, %s FROM %s WHERE at >= ? AND at < ? AND %s IN (%s)%s", k.thing, since, step, k.names(columns), k.at(level), k.thing, list, group)
}

func (v *view) seriesOf(k *kind, points map[seriesKey]*[]int64, since, step int64) []api.Series {
	by := map[int64]*api.Series{}
	keys := slices.Collect(maps.Keys(points))
	sort.Slice(keys, func(i, j int) bool {
		a, b := keys[i], keys[j]
		return a.id < b.id || a.id == b.id && a.bucket < b.bucket
	})
	for _, key := range keys {
		s := by[key.id]
		if s == nil {
			t := v.things[key.id]
			s = &api.Series{Service: t.service, Backend: t.backend, StepSeconds: float64(step)}
			by[key.id] = s
		}
		p := pointOf(k, *points[key])
		p.At = time.Unix(since+key.bucket*step, 0)
		s.Points = append(s.Points, p)
	}
	all := []api.Series{}
	for _, s := range by {
		all = append(all, *s)
	}
	return all
}

// pointOf makes a Point from a row of columns, in order.
func pointOf(k *kind, row []int64) (p api.Point) {
	if k == &services {
		p = api.Point{State: wordOf(serviceStates, int(row[0])), Active: int(row[1]), Waiting: int(row[2]), New: row[3], Served: row[4], Failed: row[5],
			Rejected: row[6], Cut: row[7], Abandoned: row[8], Held: row[9], BytesIn: row[10], BytesOut: row[11], WaitSeconds: float64(row[12]) / 1e3}
		if p.Served > 0 {
			p.LatencySeconds = float64(row[13]) / 1e6 / float64(p.Served)
		}
		return p
	}
	return api.Point{State: wordOf(backendStates, int(row[0])), Active: int(row[1]), New: row[2], Served: row[2], Failed: row[3],
		BytesIn: row[4], BytesOut: row[5], LatencySeconds: float64(row[6]) / 1e6}
}

// bounds returns the bounds of a period in seconds.
func bounds(s api.Stretch) (since, until int64, err error) {
	end := s.Until
	if end.IsZero() {
		end = time.Now()
	}
	since, until = s.Since.Unix(), end.Add(time.Second-1).Unix()
	if s.Since.IsZero() {
		since = until - 3600
	}
	if since >= until {
		return 0, 0, api.Wrong(fmt.Sprintf("the stretch from %s to %s is empty", s.Since.Format(time.RFC3339), end.Format(time.RFC3339)), "since comes before until")
	}
	return since, until, nil
}

// Timeline lists events.
func (r *Recorder) Timeline(ctx context.Context, q api.TimelineQuery) ([]proxy.Event, error) {
	return ask(ctx, r, func(v *view) ([]proxy.Event, error) { return v.timeline(q) })
}

// timelineMost is the default limit of a list of events.
const timelineMost = 10_000

func (v *view) timeline(q api.TimelineQuery) ([]proxy.Event, error) {
	since, until := q.Since, q.Until
	if until.IsZero() {
		until = time.Now().Add(time.Minute) // include events from before a clock was set back
	}
	where, args := "at_ms >= ? AND at_ms < ?", []any{since.UnixMilli(), until.UnixMilli()}
	also := func(text string, more ...any) { where, args = where+" AND "+text, append(args, more...) }
	if q.Service != "" {
		also("service IN (?, '')", q.Service)
	}
	if q.Kind != "" {
		also("(kind = ? OR kind LIKE ? || '.%')", q.Kind, q.Kind)
	}
	if q.By != "" {
		also("(by = ? OR by LIKE ? || '@%')", q.By, q.By)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = timelineMost
	}
	all := []proxy.Event{}
	err := v.each(func(scan func(...any) error) error {
		ev, err := scanEvent(scan)
		all = append(all, ev)
		return err
	}, "SELECT "+eventColumns+" FROM events WHERE "+where+" ORDER BY at_ms DESC, seq DESC LIMIT ?", append(args, limit)...)
	slices.Reverse(all)
	return all, err
}
