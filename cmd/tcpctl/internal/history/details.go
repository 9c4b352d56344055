package history

import (
	"cmp"
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Bounds on what is recorded besides the numbers: the first waiters and holders of each service,
// the first peers of a mesh, and the number of rows.
const (
	clientsMost = 32
	peersMost   = 128
	detailsMost = 200_000 // maximum rows of a table
	// detailsSpan is how long a row is valid: what stays longer gets another one. So for any moment
	// a reader needs only the rows of one hour, and of the seconds that may be between two
	// snapshots.
	detailsSpan  = 3600
	detailsReach = detailsSpan + 60
)

// Kinds of details.
const (
	detailMesh = "mesh"
	detailPeer = "peer"
	detailPlan = "plan"
)

// detailID identifies what a detail is about: a peer by its id, a plan by nothing, since there is
// one at a time.
type detailID struct{ kind, key string }

// detail is a row: what a Status says about one thing.
type detail struct {
	at    int64  // the second from which it is valid
	slow  string // the part whose changes are written at once
	info  string // JSON of all of it
	every int64  // minimum seconds between writes of other changes
}

// detailsOf returns the mesh, its peers and the plan of a status.
func detailsOf(st *api.Status) map[detailID]detail {
	all := map[detailID]detail{}
	if m := st.Mesh; m != nil {
		own := api.Mesh{Name: m.Name, Node: m.Node, ID: m.ID, Label: m.Label, Listen: m.Listen, Secret: m.Secret}
		info := encode(&meshDetail{own, max(len(m.Peers)-peersMost, 0)})
		all[detailID{detailMesh, ""}] = detail{slow: info, info: info}
		for i := range m.Peers[:min(len(m.Peers), peersMost)] {
			p := &m.Peers[i]
			all[detailID{detailPeer, p.ID + " " + p.Name}] = peerDetail(p)
		}
	}
	if st.Plan != nil {
		all[detailID{detailPlan, ""}] = planDetail(st.Plan)
	}
	return all
}

// meshDetail is this node in its mesh, and how many peers have no row.
type meshDetail struct {
	api.Mesh
	Beyond int `json:"peers_beyond,omitempty"`
}

// peerDetail records the numbers of a peer's services once a minute. Its round trip time and clock
// always change, and do not cause a row.
func peerDetail(p *api.Peer) detail {
	whole, same, slow := *p, *p, *p
	if p.State == meshinfo.Alive {
		whole.Seen = time.Time{}
	}
	same.Seen, same.RTTSeconds, same.SkewSeconds = whole.Seen, 0, 0
	slow = same
	slow.Services = append([]api.PeerService(nil), p.Services...)
	for i := range slow.Services {
		slow.Services[i].Active, slow.Services[i].Queue = 0, 0
	}
	return detail{slow: encode(&slow), info: encode(&whole), every: 60}
}

// planDetail records changes of a step's detail every ten seconds, and of its state at once.
func planDetail(p *proxy.PlanInfo) detail {
	slow := *p
	slow.Steps = append([]proxy.StepInfo(nil), p.Steps...)
	for i := range slow.Steps {
		slow.Steps[i].Seconds, slow.Steps[i].Detail = 0, ""
	}
	return detail{slow: encode(&slow), info: encode(p), every: 10}
}

// clientID identifies a client in a queue, or one that holds a slot.
type clientID struct{ service, role, session string }

// Roles of clients.
const (
	roleWaiter = "waiter"
	roleHolder = "holder"
)

// client is a row: how long a client was seen, and in which state.
type client struct {
	since         int64 // the first second with this state
	name          string
	began         time.Time // when it began to wait, or to hold
	state, reason string
}

// clientsOf returns the waiters and holders of a second. Those of a service whose waiters could not
// be fetched stay as they were.
func (s *store) clientsOf(b *batch) map[clientID]client {
	all := map[clientID]client{}
	ago := func(seconds float64) time.Time { return b.now.Add(-time.Duration(seconds * float64(time.Second))) }
	for i := range b.status.Services {
		is := &b.status.Services[i]
		waiters, asked := b.waiters[is.Name]
		if !asked && is.Queue.Waiting > 0 {
			for id, c := range s.clients {
				if id.service == is.Name && id.role == roleWaiter {
					all[id] = c
				}
			}
		}
		for _, w := range waiters[:min(len(waiters), clientsMost)] {
			state := w.State
			if state == proxy.WaiterNext { // its position implies it
				state = proxy.WaiterWaiting
			}
			all[clientID{is.Name, roleWaiter, w.ID}] = client{name: w.Client, began: ago(w.WaitedSeconds), state: state, reason: string(w.Reason)}
		}
		if is.Lock == nil {
			continue
		}
		for _, h := range is.Lock.Holders[:min(len(is.Lock.Holders), clientsMost)] {
			all[clientID{is.Name, roleHolder, h.ID}] = client{name: h.Client, began: ago(h.HeldSeconds)}
		}
	}
	return all
}

// putDetails writes what has changed in the details since the previous second, and returns the
// current ones.
func (s *store) putDetails(tx *sql.Tx, b *batch) (map[clientID]client, map[detailID]detail, error) {
	at := b.second()
	known, err := s.knownDetails(tx, at)
	if err != nil {
		return nil, nil, err
	}
	clients, err := s.putClients(tx, s.clientsOf(b), at)
	if err != nil {
		return nil, nil, err
	}
	is := detailsOf(b.status)
	for id, d := range is {
		was, there := known[id]
		if there && was.slow == d.slow && was.at/detailsSpan == at/detailsSpan && was.at <= at && (was.info == d.info || at-was.at < d.every) {
			is[id] = was
			continue
		}
		d.at = at
		is[id] = d
		if err := putDetail(tx, at, id, d.info); err != nil {
			return nil, nil, err
		}
	}
	for id := range known {
		if _, there := is[id]; !there {
			if err := putDetail(tx, at, id, ""); err != nil {
				return nil, nil, err
			}
		}
	}
	return clients, is, nil
}

func putDetail(tx *sql.Tx, at int64, id detailID, info string) error {
	_, err := tx.Exec("INSERT OR REPLACE INTO details VALUES (?, ?, ?, ?)", at, id.kind, id.key, info)
	return err
}

// knownDetails returns the details of the previous second. The first second of a store ends what an
// earlier process has left, since it is not known how long that stayed valid.
func (s *store) knownDetails(tx *sql.Tx, at int64) (map[detailID]detail, error) {
	if s.details != nil {
		return s.details, nil
	}
	if _, err := tx.Exec(`UPDATE clients SET until = max(since, coalesce((SELECT max(at) FROM service_1s WHERE at < ?1), 0)) + 1
		WHERE since > ?1 - ?2 AND since <= ?1 AND until = 0`, at, detailsReach); err != nil {
		return nil, err
	}
	known := map[detailID]detail{}
	return known, eachDetail(context.Background(), tx, at, func(id detailID, d detail) { known[id] = d })
}

// eachDetail calls row with the details that were valid at a second.
func eachDetail(ctx context.Context, db queryer, at int64, row func(detailID, detail)) error {
	return eachContext(ctx, db, func(scan func(...any) error) error {
		var id detailID
		var d detail
		if err := scan(&id.kind, &id.key, &d.at, &d.info); err != nil || d.info == "" {
			return err
		}
		row(id, d)
		return nil
	}, "SELECT kind, key, max(at), info FROM details WHERE at > ? AND at <= ? GROUP BY kind, key ORDER BY kind, key", // info comes from the row with the maximum
		at-detailsReach, at)
}

// putClients ends the rows of clients that have gone or changed, and begins rows for new and
// changed ones.
func (s *store) putClients(tx *sql.Tx, is map[clientID]client, at int64) (map[clientID]client, error) {
	same := map[clientID]bool{}
	for id, was := range s.clients {
		c, there := is[id]
		if there && was.state == c.state && was.reason == c.reason && was.since/detailsSpan == at/detailsSpan && was.since <= at {
			is[id], same[id] = was, true
			continue
		}
		if _, err := tx.Exec("UPDATE clients SET until = ? WHERE since = ? AND service = ? AND role = ? AND session = ?",
			max(at, was.since+1), was.since, s.things[thing{id.service, ""}], id.role, id.session); err != nil {
			return nil, err
		}
	}
	for id, c := range is {
		if same[id] {
			continue
		}
		c.since = at
		is[id] = c
		service, err := s.id(tx, thing{id.service, ""})
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec("INSERT OR REPLACE INTO clients VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?)", at, service, id.role, id.session,
			c.name, c.began.UnixMilli(), c.state, c.reason); err != nil {
			return nil, err
		}
	}
	return is, nil
}

// pruneDetails deletes rows that are too old, and of each table the oldest beyond most.
func pruneDetails(tx *sql.Tx, old int64, most int) error {
	for _, table := range []string{"clients since", "details at"} {
		name, column, _ := strings.Cut(table, " ")
		var beyond sql.NullInt64
		err := tx.QueryRow("SELECT max(v) FROM (SELECT "+column+" AS v FROM "+name+" ORDER BY "+column+" DESC LIMIT 1 OFFSET ?)", most).Scan(&beyond)
		if err = cmp.Or(err, deleteBefore(tx, name, column, max(old, beyond.Int64+1))); err != nil {
			return err
		}
	}
	return nil
}
