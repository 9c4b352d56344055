package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Incident is what a stretch of time meant to clients, and who did what.
func (r *Recorder) Incident(ctx context.Context, q api.Stretch) (*api.Incident, error) {
	return ask(ctx, r, func(v *view) (*api.Incident, error) { return v.incident(q) })
}

// graphPoints is the number of points in a report's graphs.
const graphPoints = 240

func (v *view) incident(q api.Stretch) (*api.Incident, error) {
	since, until, err := bounds(q)
	if err != nil {
		return nil, err
	}
	i := &api.Incident{Since: time.Unix(since, 0), Until: time.Unix(until, 0), Service: q.Service, Services: []api.ServiceImpact{},
		Acts: []proxy.Event{}, Marks: []proxy.Event{}, Events: []proxy.Event{}}
	q.Since, q.Until = i.Since, i.Until
	if err := v.known(q.Service); err != nil {
		return nil, err
	}
	var node api.Node
	if err := v.node(&node); err != nil {
		return nil, err
	}
	i.Node, i.Version = node.Name, node.Version
	for _, fill := range []func(*api.Incident, api.Stretch) error{v.impact, v.outages, v.acts, v.plans, v.gaps} {
		if err := fill(i, q); err != nil {
			return nil, err
		}
	}
	i.Series, err = v.series(api.SeriesQuery{Stretch: q, Points: graphPoints})
	return i, err
}

// known refuses a service about which nothing is recorded; "" means all.
func (v *view) known(service string) error {
	if service == "" {
		return nil
	}
	var names []string
	for _, t := range v.things {
		if t == (thing{service, ""}) {
			return nil
		}
		if t.backend == "" {
			names = append(names, t.service)
		}
	}
	slices.Sort(names)
	return api.Unknown(fmt.Sprintf("nothing is recorded of a service %q", service), "there is: "+strings.Join(names, ", "))
}

// impact adds up what was counted. Where only minutes are left, it takes whole minutes.
func (v *view) impact(i *api.Incident, q api.Stretch) error {
	since, until := q.Since.Unix(), q.Until.Unix()
	list := v.ids(func(t thing) bool { return t.backend == "" && (q.Service == "" || t.service == q.Service) })
	sums := map[seriesKey]*[]int64{}
	for _, p := range v.parts(since, until, len(levels)-1) {
		if err := v.addPart(sums, &services, list, p, since, until-since+3600); err != nil {
			return err
		}
	}
	for key, row := range sums {
		p := pointOf(&services, *row)
		one := api.Impacts{Clients: p.New, Served: p.Served, Failed: p.Failed, Rejected: p.Rejected, Cut: p.Cut, Abandoned: p.Abandoned, Held: p.Held,
			LongestWait: p.WaitSeconds, BytesIn: p.BytesIn, BytesOut: p.BytesOut, PeakActive: p.Active, PeakWaiting: p.Waiting}
		i.Services = append(i.Services, api.ServiceImpact{Service: v.things[key.id].service, Impacts: one})
		all := &i.Impact
		all.Clients += one.Clients
		all.Served += one.Served
		all.Failed += one.Failed
		all.Rejected += one.Rejected
		all.Cut += one.Cut
		all.Abandoned += one.Abandoned
		all.Held += one.Held
		all.BytesIn += one.BytesIn
		all.BytesOut += one.BytesOut
		all.LongestWait = max(all.LongestWait, one.LongestWait)
		all.PeakActive += one.PeakActive
		all.PeakWaiting += one.PeakWaiting
	}
	sort.Slice(i.Services, func(m, n int) bool { return i.Services[m].Service < i.Services[n].Service })
	return nil
}

// healthy are the states of services and backends that are not an outage.
var healthy = map[string]bool{proxy.StateOpen: true, proxy.StateReleasing: true, proxy.StateUp: true, proxy.AdminDrain: true, proxy.AdminMaint: true,
	proxy.StateChecking: true, "gone": true}

// outages finds the periods in which a thing was down, paused, closed or without a backend.
func (v *view) outages(i *api.Incident, q api.Stretch) error {
	i.Outages = []api.Outage{}
	list := v.ids(func(t thing) bool { return q.Service == "" || t.service == q.Service })
	open := map[int64]*api.Outage{}
	order := []*api.Outage{}
	err := v.each(func(scan func(...any) error) error {
		var id, ms int64
		var state int
		var detail string
		if err := scan(&id, &ms, &state, &detail); err != nil {
			return err
		}
		t, at := v.things[id], time.UnixMilli(ms)
		words, target := serviceStates, t.service
		if t.backend != "" {
			words, target = backendStates, t.service+"/"+t.backend
		}
		word := wordOf(words, state)
		o := open[id]
		if o != nil && o.State == word {
			o.Detail = cmp.Or(o.Detail, detail)
			return nil
		}
		if o != nil {
			o.Until = at
			delete(open, id)
		}
		if !healthy[word] {
			o = &api.Outage{Target: target, State: word, Detail: detail, Since: at}
			open[id] = o
			order = append(order, o)
		}
		return nil
	}, `SELECT thing, at_ms, state, detail FROM changes WHERE at_ms < ?2 AND thing IN (`+list+`) AND
		at_ms >= coalesce((SELECT max(at_ms) FROM changes b WHERE b.thing = changes.thing AND b.at_ms < ?1), 0) ORDER BY at_ms`,
		q.Since.UnixMilli(), q.Until.UnixMilli())
	for _, o := range order {
		if o.Until.IsZero() {
			o.Until, o.Ongoing = q.Until, true
		}
		if !o.Until.After(q.Since) {
			continue // ended before the period
		}
		o.Before = o.Since.Before(q.Since)
		o.Seconds = o.Until.Sub(o.Since).Seconds()
		i.Outages = append(i.Outages, *o)
	}
	return err
}

// acts divides the events into acts, marks, and those above level info.
func (v *view) acts(i *api.Incident, q api.Stretch) error {
	all, err := v.timeline(api.TimelineQuery{Stretch: q})
	for _, ev := range all {
		switch {
		case ev.Kind == proxy.EventOperator:
			i.Acts = append(i.Acts, ev)
		case ev.Kind == proxy.EventMark:
			i.Marks = append(i.Marks, ev)
		case ev.Level != proxy.LevelInfo:
			i.Events = append(i.Events, ev)
		}
	}
	return err
}

func (v *view) plans(i *api.Incident, q api.Stretch) (err error) {
	s := store{}
	all, err := s.reports(v.db, "WHERE started_ms < ? AND (ended_ms = 0 OR ended_ms >= ?) ORDER BY started_ms", q.Until.UnixMilli(), q.Since.UnixMilli())
	i.Reports = []proxy.Report{}
	for _, r := range all {
		if q.Service == "" || r.Service == q.Service {
			i.Reports = append(i.Reports, r)
		}
	}
	return err
}

func (v *view) gaps(i *api.Incident, q api.Stretch) error {
	i.Gaps = []api.Gap{}
	return v.each(func(scan func(...any) error) error {
		var since, until int64
		var g api.Gap
		err := scan(&since, &until, &g.Reason)
		g.Since, g.Until = time.Unix(since, 0), time.Unix(until, 0)
		i.Gaps = append(i.Gaps, g)
		return err
	}, "SELECT since, until, reason FROM gaps WHERE until > ? AND since < ? ORDER BY since", q.Since.Unix(), q.Until.Unix())
}
