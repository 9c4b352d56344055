package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// record is what a node publishes to its peers, at each change.
type record struct {
	Version  int               `json:"v"` // recordVersion
	Services []api.PeerService `json:"services"`
	Acts     []operatorAct     `json:"acts,omitempty"` // its operators' last acts
	// Checks are its backends with locks of the cluster; absent: it has no lease.
	Checks []proxy.SharedCheck `json:"checks,omitempty"`
}

// operatorAct is what an operator did on a node.
type operatorAct struct {
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Text string    `json:"text"`
}

// maxActs is how many acts a record has. Older ones that a peer missed can be read on the node
// itself.
const maxActs = 8

// maxServices bounds a record, which without a secret may have 64 KiB.
const maxServices = 200

// recordVersion changes when a record's meaning changes for readers, but not for a new field that a
// reader may ignore.
const recordVersion = 1

// parseRecord parses a peer's record. An empty one, before its first has come, is no error.
func parseRecord(text []byte) (r record, err error) {
	if len(text) == 0 {
		return record{}, nil
	}
	var version struct {
		Version int `json:"v"`
	}
	switch err := json.Unmarshal(text, &version); {
	case err != nil:
		return record{}, errors.New("its record is not JSON")
	case version.Version != recordVersion:
		return record{}, fmt.Errorf("its record has version %d, this program reads %d", version.Version, recordVersion)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("its record cannot be read: %w", err)
	}
	return r, nil
}

// publish sends the peers a new record whenever it has changed.
func (f *Fleet) publish() {
	defer f.wg.Done()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var acts []operatorAct
	var last []byte
	seen := uint64(0)
	for {
		page, _ := f.source.Engine.Operator().Events(seen)
		for _, ev := range page.Events {
			seen = ev.Seq
			if ev.Kind == proxy.EventOperator && ev.Peer == "" {
				acts = append(acts, operatorAct{ev.Seq, ev.Time, ev.By, ev.Text})
			}
		}
		if over := len(acts) - maxActs; over > 0 {
			acts = acts[over:]
		}
		text, err := json.Marshal(f.record(acts))
		if err == nil && !bytes.Equal(text, last) {
			last = text
			if err := f.node.SetRecord(text); err != nil && f.ctx.Err() == nil {
				f.noteError(err)
			}
		}
		select {
		case <-f.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (f *Fleet) record(acts []operatorAct) record {
	r := record{Version: recordVersion, Services: []api.PeerService{}, Checks: f.followChecks()}
	all := (&api.Status{Services: f.source.Engine.Operator().Services()}).Named().Services
	for i := range all[:min(len(all), maxServices)] {
		r.Services = append(r.Services, api.Brief(&all[i]))
	}
	if f.node.Status().Secret {
		r.Acts = acts // users' names are only for peers that have proved the secret
	}
	return r
}

// noted has the number of each peer's last act that is among this node's events.
type noted map[string]uint64

// follow adds events of this node about peers, and about their operators' acts.
func (f *Fleet) follow() {
	defer f.wg.Done()
	for ev := range f.node.Events(f.ctx) {
		f.noteChange(ev)
	}
}

// noteChange adds events about a change of a peer, and about the acts in its record, which any mesh
// event has: the first contact may be an "alive" with a record that came earlier.
func (f *Fleet) noteChange(ev mesh.Event) {
	p := ev.Peer
	if ev.Kind != mesh.EventUpdate {
		f.source.Engine.Operator().Note(peerEvent(ev.Kind, p))
	}
	r, err := parseRecord(p.Record)
	f.followRecord(p, r)
	if len(p.Record) > 0 && err == nil {
		f.noteActs(p.ID, p.Name, r)
	}
}

func peerEvent(kind string, p meshinfo.Peer) proxy.Event {
	note := proxy.Event{Kind: proxy.EventPeer, Peer: p.Name}
	switch {
	case kind == "alive":
		note.Level, note.Text = proxy.LevelGood, fmt.Sprintf("peer %s joined at %s (%s)", p.Name, p.Addr, p.FoundBy)
	case kind == "down" && p.Cause == meshinfo.Departed:
		note.Text = fmt.Sprintf("peer %s has departed", p.Name)
	case kind == "down" && p.Cause == meshinfo.GaveUp:
		note.Level, note.Text = proxy.LevelWarn, fmt.Sprintf("peer %s gave this node up: %s", p.Name, p.Detail)
	default:
		note.Level, note.Text = proxy.LevelWarn, fmt.Sprintf("peer %s is %s", p.Name, kind)
		if p.Cause != "" {
			note.Text += ": " + string(p.Cause)
		}
	}
	return note
}

// noteActs adds events about a peer's new acts, but not about those from before the first contact.
func (f *Fleet) noteActs(id, name string, r record) {
	last, met := f.noted[id]
	for _, d := range r.Acts {
		if d.Seq <= last && met {
			continue
		}
		f.noted[id] = d.Seq
		if met {
			f.source.Engine.Operator().Note(proxy.Event{Kind: proxy.EventOperator, Peer: name, By: d.By, Text: "on " + name + ": " + d.Text})
		}
	}
	if !met && len(r.Acts) == 0 {
		f.noted[id] = 0
	}
}
