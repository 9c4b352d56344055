package history

import (
	"cmp"
	"encoding/json"
	"sort"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// details fills in who waited and who held a slot in a second, the states of the peers, and the
// plan's progress.
func (v *view) details(m *api.Moment, second int64) error {
	if m.Missing != "" {
		return nil
	}
	if err := v.clients(m, second); err != nil {
		return err
	}
	var broken error
	err := eachDetail(v.ctx, v.db, second, func(id detailID, d detail) {
		if err := addDetail(m, id, &d, second); err != nil {
			broken = cmp.Or(broken, err)
		}
	})
	if mesh := m.Status.Mesh; mesh != nil {
		sort.Slice(mesh.Peers, func(i, j int) bool {
			a, b := &mesh.Peers[i], &mesh.Peers[j]
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) < 0
		})
	}
	m.Before.Mesh, m.Before.Plan = m.Status.Mesh, m.Status.Plan
	if err = cmp.Or(err, broken); err != nil || m.Status.Plan == nil {
		return err
	}
	return v.each(func(scan func(...any) error) error {
		var text []byte
		if err := scan(&text); err != nil {
			return err
		}
		m.Report = &proxy.Report{}
		return json.Unmarshal(text, m.Report)
	}, "SELECT report FROM reports WHERE id = ? AND ended_ms > 0 AND ended_ms <= ? ORDER BY started_ms DESC LIMIT 1", m.Status.Plan.ID, (second+1)*1000)
}

// addDetail adds a row to the status. The mesh's row comes before those of its peers.
func addDetail(m *api.Moment, id detailID, d *detail, second int64) error {
	switch st := m.Status; id.kind {
	case detailMesh:
		var own meshDetail
		err := json.Unmarshal([]byte(d.info), &own)
		st.Mesh, m.PeersBeyond = &own.Mesh, own.Beyond
		st.Mesh.Peers = []api.Peer{}
		return err
	case detailPeer:
		var p api.Peer
		err := json.Unmarshal([]byte(d.info), &p)
		if p.State == meshinfo.Alive {
			p.Seen = st.Node.Now
		}
		if st.Mesh != nil {
			st.Mesh.Peers = append(st.Mesh.Peers, p)
		}
		return err
	case detailPlan:
		st.Plan = &proxy.PlanInfo{}
		err := json.Unmarshal([]byte(d.info), st.Plan)
		for i := range st.Plan.Steps {
			if s := &st.Plan.Steps[i]; s.State == proxy.StepRunning {
				s.Seconds += float64(second - d.at)
			}
		}
		return err
	}
	return nil
}

func (v *view) clients(m *api.Moment, second int64) error {
	m.Waiters = map[string][]proxy.WaiterInfo{}
	now := time.Unix(second+1, 0)
	type row struct {
		service, role, session, client, state, reason string
		began                                         int64
	}
	var all []row
	err := v.each(func(scan func(...any) error) error {
		var r row
		var service int64
		err := scan(&service, &r.role, &r.session, &r.client, &r.began, &r.state, &r.reason)
		r.service = v.things[service].service
		all = append(all, r)
		return err
	}, "SELECT service, role, session, client, began_ms, state, reason FROM clients WHERE since > ? AND since <= ? AND (until = 0 OR until > ?)",
		second-detailsReach, second, second)
	sort.Slice(all, func(i, j int) bool { // s9 is before s10
		a, b := &all[i], &all[j]
		return cmp.Or(cmp.Compare(a.began, b.began), cmp.Compare(len(a.session), len(b.session)), strings.Compare(a.session, b.session)) < 0
	})
	for _, r := range all {
		lasted := max(now.Sub(time.UnixMilli(r.began)).Seconds(), 0)
		if s := m.Status.Service(r.service); r.role == roleHolder {
			if s != nil && s.Lock != nil {
				s.Lock.Holders = append(s.Lock.Holders, proxy.HolderInfo{ID: r.session, Client: r.client, HeldSeconds: lasted})
			}
			continue
		}
		w := proxy.WaiterInfo{ID: r.session, Position: len(m.Waiters[r.service]) + 1, Client: r.client, WaitedSeconds: lasted, State: r.state, Reason: proxy.Reason(r.reason)}
		if w.Position == 1 && w.State == proxy.WaiterWaiting {
			w.State = proxy.WaiterNext
		}
		m.Waiters[r.service] = append(m.Waiters[r.service], w)
	}
	return err
}
