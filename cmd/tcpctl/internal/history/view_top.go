package history

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// Top is who used a service most.
func (r *Recorder) Top(ctx context.Context, q api.TopQuery) (*api.Top, error) {
	return ask(ctx, r, func(v *view) (*api.Top, error) { return v.top(q) })
}

// topShown is the default number of rows.
const topShown = 10

func (v *view) top(q api.TopQuery) (*api.Top, error) {
	q.By, q.Group = cmp.Or(q.By, "bytes"), cmp.Or(q.Group, "client")
	measure := measures[q.By]
	if measure == nil {
		return nil, api.Wrong(fmt.Sprintf("by %q is not known", q.By), "it is bytes, sessions or waiting")
	}
	if !slices.Contains([]string{"client", "net", "service"}, q.Group) {
		return nil, api.Wrong(fmt.Sprintf("group %q is not known", q.Group), "it is client, net or service")
	}
	if err := v.known(q.Service); err != nil {
		return nil, err
	}
	since, until, err := bounds(q.Stretch)
	if err != nil {
		return nil, err
	}
	since = since / 60 * 60
	rows, total, err := v.talkers(q, since, until)
	if err != nil {
		return nil, err
	}
	var all []*talkerRow
	for _, r := range rows {
		if r.client != "" && measure(r) > 0 {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *talkerRow) int {
		return cmp.Or(-cmp.Compare(measure(a), measure(b)), cmp.Compare(a.client, b.client))
	})
	others := *total
	talker := func(r *talkerRow) api.Talker {
		t := api.Talker{Name: r.client, Service: r.service, BytesIn: r.in, BytesOut: r.out, Sessions: r.sessions, WaitingSeconds: r.waiting.Seconds()}
		if whole := measure(total); whole > 0 {
			t.Share = float64(measure(r)) / float64(whole)
		}
		return t
	}
	top := &api.Top{Since: time.Unix(since, 0), Until: time.Unix(until, 0), By: q.By, Group: q.Group, Rows: []api.Talker{}}
	for _, r := range all[:min(len(all), cmp.Or(max(q.Limit, 0), topShown))] {
		top.Rows = append(top.Rows, talker(r))
		others.add(&talkerRow{sessions: -r.sessions, in: -r.in, out: -r.out, waiting: -r.waiting})
	}
	top.Others, top.Total = talker(&others), talker(total)
	return top, nil
}

// talkers adds up days and, at the edges, hours and minutes.
func (v *view) talkers(q api.TopQuery, since, until int64) (map[string]*talkerRow, *talkerRow, error) {
	rows, total := map[string]*talkerRow{}, &talkerRow{}
	parts, err := v.talkerParts(len(talkerLevels)-1, since, until)
	for _, p := range parts {
		if err != nil {
			return nil, nil, err
		}
		err = v.each(func(scan func(...any) error) error {
			var id, ms int64
			r := &talkerRow{}
			if err := scan(&id, &r.client, &r.sessions, &r.in, &r.out, &ms); err != nil {
				return err
			}
			r.waiting, r.service = time.Duration(ms)*time.Millisecond, v.things[id].service
			if q.Service != "" && r.service != q.Service {
				return nil
			}
			total.add(r)
			r.client = grouped(q.Group, r)
			have := rows[r.client]
			if have == nil {
				rows[r.client] = r
				return nil
			}
			if have.service != r.service {
				have.service = ""
			}
			have.add(r)
			return nil
		}, "SELECT service, client, sum(sessions), sum(bytes_in), sum(bytes_out), sum(waiting_ms) FROM "+talkerLevels[p.level].table+" WHERE at >= ? AND at < ? GROUP BY 1, 2", p.from, p.to)
	}
	return rows, total, err
}

// talkerParts covers a period with whole steps of a level, as far as there are any, and otherwise
// with steps of the levels below.
func (v *view) talkerParts(level int, since, until int64) (all []part, err error) {
	if since >= until {
		return nil, nil
	}
	if level == 0 {
		return []part{{0, since, until}}, nil
	}
	step, rolled := talkerLevels[level].step, int64(0)
	err = v.each(func(scan func(...any) error) error { return scan(&rolled) },
		fmt.Sprintf("SELECT coalesce(max(at)+%d, 0) FROM %s WHERE at <= ?", step, talkerLevels[level].table), v.now)
	from, to := (since+step-1)/step*step, min(until/step*step, rolled, v.now/step*step)
	if from >= to {
		from, to = until, until
	} else {
		all = append(all, part{level, from, to})
	}
	for _, edge := range [...][2]int64{{since, from}, {to, until}} {
		if err != nil {
			return nil, err
		}
		var more []part
		more, err = v.talkerParts(level-1, edge[0], edge[1])
		all = append(all, more...)
	}
	return all, err
}

// grouped returns the group to which a row belongs.
func grouped(group string, r *talkerRow) string {
	switch group {
	case "service":
		return r.service
	case "net":
		addr, err := netip.ParseAddr(r.client)
		if err != nil {
			return r.client
		}
		bits := 24
		if addr.Is6() {
			bits = 64
		}
		net, _ := addr.Prefix(bits)
		return strings.TrimSpace(net.String())
	}
	return r.client
}
