package history

import (
	"cmp"
	"database/sql"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// talkerRow is what one client used of one service in a step. Client "" is the sum of all clients
// that are not leaders.
type talkerRow struct {
	service, client string
	sessions        int64
	in, out         int64
	waiting         time.Duration
}

func (r *talkerRow) add(o *talkerRow) {
	r.sessions += o.sessions
	r.in += o.in
	r.out += o.out
	r.waiting += o.waiting
}

// leaders is how many clients of a service and minute are recorded by address, for each of the
// three measures.
const leaders = 10

// trackMost bounds the sessions and clients that are tracked individually.
const trackMost = 200_000

// talkers adds up clients' usage in the current minute.
type talkers struct {
	minute int64
	rows   map[talkerKey]*talkerRow
	live   map[string]*followed // by session id
	round  int                  // number of calls of look
}

type talkerKey struct{ service, client string }

// followed is what has been counted of a live session so far.
type followed struct {
	in, out int64
	waited  time.Duration
	round   int
}

// measures are the values by which leaders are chosen.
var measures = map[string]func(*talkerRow) int64{
	"bytes":    func(r *talkerRow) int64 { return r.in + r.out },
	"sessions": func(r *talkerRow) int64 { return r.sessions },
	"waiting":  func(r *talkerRow) int64 { return int64(r.waiting) },
}

// record is the part of an ended session's record that is needed here.
type record struct {
	id, service, client string
	in, out             int64
	waited              time.Duration
}

func (t *talkers) begin(minute int64) {
	t.minute, t.rows = minute, map[talkerKey]*talkerRow{}
	if t.live == nil {
		t.live = map[string]*followed{}
	}
}

func (t *talkers) row(service, client string) *talkerRow {
	k := talkerKey{service, hostOf(client)}
	r := t.rows[k]
	if r == nil {
		if len(t.rows) >= trackMost {
			k.client = ""
		}
		if r = t.rows[k]; r == nil {
			r = &talkerRow{service: service, client: k.client}
			t.rows[k] = r
		}
	}
	return r
}

// hostOf returns a client's address without port and zone; anything else is returned unchanged. It
// is called for each session, and does not allocate for IPv4.
func hostOf(client string) string {
	if client != "" && client[0] >= '0' && client[0] <= '9' {
		host, _, _ := strings.Cut(client, ":")
		return host
	}
	if at, err := netip.ParseAddrPort(client); err == nil {
		return at.Addr().Unmap().WithZone("").String()
	}
	return client
}

// ended counts the rest of a session that has ended.
func (t *talkers) ended(r *record) {
	row := t.row(r.service, r.client)
	var was followed
	if f := t.live[r.id]; f != nil {
		was = *f
		delete(t.live, r.id)
	} else {
		row.sessions++
	}
	row.in += grown(was.in, r.in)
	row.out += grown(was.out, r.out)
	row.waiting += max(0, r.waited-was.waited)
}

// look counts what the live sessions have used since the last call.
func (t *talkers) look(live iter.Seq[proxy.SessionInfo]) {
	t.round++
	for s := range live {
		row := t.row(s.Service, s.Client)
		f := t.live[s.ID]
		if f == nil {
			row.sessions++
			f = &followed{}
			if len(t.live) < trackMost {
				t.live[s.ID] = f
			}
		}
		f.round = t.round
		row.in += grown(f.in, s.BytesIn)
		row.out += grown(f.out, s.BytesOut)
		f.in, f.out = s.BytesIn, s.BytesOut
		if s.Phase == proxy.PhaseQueue {
			waited := time.Duration(s.AgeSeconds * float64(time.Second))
			row.waiting += max(0, waited-f.waited)
			f.waited = waited
		}
	}
	// Their records were lost, or went to another process.
	maps.DeleteFunc(t.live, func(_ string, f *followed) bool { return f.round < t.round-1 })
}

// top returns the minute's rows so far.
func (t *talkers) top() []talkerRow {
	byService := map[string][]*talkerRow{}
	for _, r := range t.rows {
		byService[r.service] = append(byService[r.service], r)
	}
	all := []talkerRow{}
	for _, rows := range byService {
		all = append(all, leading(rows, leaders)...)
	}
	return all
}

// leading keeps the clients that lead in any measure, and sums up the rest.
func leading(rows []*talkerRow, most int) []talkerRow {
	keep := map[*talkerRow]bool{}
	for _, measure := range measures {
		slices.SortFunc(rows, func(a, b *talkerRow) int {
			return cmp.Or(-cmp.Compare(measure(a), measure(b)), cmp.Compare(a.client, b.client))
		})
		n := 0
		for _, r := range rows {
			if n == most || measure(r) == 0 {
				break
			}
			if r.client != "" {
				keep[r] = true
				n++
			}
		}
	}
	var all []talkerRow
	rest := talkerRow{}
	for _, r := range rows {
		if keep[r] {
			all = append(all, *r)
		} else {
			rest.service = r.service
			rest.add(r)
		}
	}
	if rest.service != "" {
		all = append(all, rest)
	}
	return all
}

// talkerLevels are the tables of talkers, shortest steps first.
var talkerLevels = [...]struct {
	table string
	step  int64
}{{"top_clients", 60}, {"top_clients_1h", 3600}, {"top_clients_1d", 86400}}

// rollUpTalkers makes the steps of a level that begin between two times from those of the level
// below.
func rollUpTalkers(tx *sql.Tx, level int, from, to int64) error {
	type stepKey struct{ at, service int64 }
	step := talkerLevels[level].step
	steps := map[stepKey][]*talkerRow{}
	err := each(tx, func(scan func(...any) error) error {
		var k stepKey
		r := &talkerRow{service: "its"}
		var ms int64
		err := scan(&k.at, &k.service, &r.client, &r.sessions, &r.in, &r.out, &ms)
		r.waiting = time.Duration(ms) * time.Millisecond
		steps[k] = append(steps[k], r)
		return err
	}, fmt.Sprintf(`SELECT at/%[1]d*%[1]d, service, client, sum(sessions), sum(bytes_in), sum(bytes_out), sum(waiting_ms) FROM %[2]s
		WHERE at >= ? AND at < ? GROUP BY 1, 2, 3`, step, talkerLevels[level-1].table), from, to)
	if err != nil {
		return err
	}
	for k, rows := range steps {
		for _, r := range leading(rows, leaders) {
			if _, err := tx.Exec("INSERT OR REPLACE INTO "+talkerLevels[level].table+" VALUES (?, ?, ?, ?, ?, ?, ?)", k.at, k.service, r.client, r.sessions, r.in, r.out, r.waiting.Milliseconds()); err != nil {
				return err
			}
		}
	}
	return nil
}
