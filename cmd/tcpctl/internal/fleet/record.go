package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// record is what a node tells all others, again at each change.
type record struct {
	Version  int               `json:"v"` // of the record: recordVersion
	Services []api.PeerService `json:"services"`
	Acts     []deed            `json:"acts,omitempty"` // the last ones of its operators
}

// deed is what an operator did on a node.
type deed struct {
	Seq  uint64    `json:"seq"`
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Text string    `json:"text"`
}

// deedsTold is how many deeds a record has: who looks away for longer than
// they take sees them on the node itself.
const deedsTold = 8

// servicesTold bounds a record, which without a secret may have 64 KiB.
const servicesTold = 200

// recordVersion changes when a record comes to mean something else to those
// who read it; a new field that they may skip does not change it.
const recordVersion = 1

// read reads a peer's record. None, which is so until the first has come, is
// no error.
func read(text []byte) (r record, err error) {
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

// tell gives the peers a new record whenever it has changed.
func (f *Fleet) tell() {
	defer f.wg.Done()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var deeds []deed
	var last []byte
	seen := uint64(0)
	for {
		page, _ := f.source.Engine.Events(seen)
		for _, ev := range page.Events {
			seen = ev.Seq
			if ev.Kind == proxy.EventOperator && ev.Peer == "" {
				deeds = append(deeds, deed{ev.Seq, ev.Time, ev.By, ev.Text})
			}
		}
		if over := len(deeds) - deedsTold; over > 0 {
			deeds = deeds[over:]
		}
		text, err := json.Marshal(f.record(deeds))
		if err == nil && !bytes.Equal(text, last) {
			last = text
			if err := f.node.SetRecord(text); err != nil && f.ctx.Err() == nil {
				f.trouble(err)
			}
		}
		select {
		case <-f.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (f *Fleet) record(deeds []deed) record {
	r := record{Version: recordVersion, Services: []api.PeerService{}}
	all := f.source.Engine.Services()
	for i := range all[:min(len(all), servicesTold)] {
		r.Services = append(r.Services, api.Brief(&all[i]))
	}
	if f.node.Status().Secret {
		r.Acts = deeds // names of people are for those who have proved the secret
	}
	return r
}

// heard is how far each peer's deeds have been put on our time line.
type heard map[string]uint64

// follow puts what happens to peers, and what their operators do, on our own
// time line.
func (f *Fleet) follow() {
	defer f.wg.Done()
	for ev := range f.node.Events(f.ctx) {
		p := ev.Peer
		note := proxy.Event{Kind: proxy.EventPeer, Peer: p.Name}
		switch {
		case ev.Kind == "update":
			if r, err := read(p.Record); err == nil {
				f.deeds(p.ID, p.Name, r)
			}
			continue
		case ev.Kind == "alive":
			note.Level, note.Text = proxy.LevelGood, fmt.Sprintf("peer %s is there, found by %s at %s", p.Name, p.FoundBy, p.Addr)
		case ev.Kind == "down" && p.Cause == meshinfo.Departed:
			note.Text = fmt.Sprintf("peer %s has departed", p.Name)
		case ev.Kind == "down" && p.Cause == meshinfo.GaveUp:
			note.Level, note.Text = proxy.LevelWarn, fmt.Sprintf("peer %s gave this node up: %s", p.Name, strings.TrimPrefix(p.Detail, "mesh: it says: "))
		default:
			note.Level, note.Text = proxy.LevelWarn, fmt.Sprintf("peer %s is %s", p.Name, ev.Kind)
			if p.Cause != "" {
				note.Text += ": " + string(p.Cause)
			}
		}
		f.source.Engine.Note(note)
	}
}

// deeds notes those of a peer's that are new. What it did before we met is
// its own past.
func (f *Fleet) deeds(id, name string, r record) {
	last, met := f.heard[id]
	for _, d := range r.Acts {
		if d.Seq <= last && met {
			continue
		}
		f.heard[id] = d.Seq
		if met {
			f.source.Engine.Note(proxy.Event{Kind: proxy.EventOperator, Peer: name, By: d.By, Text: "on " + name + ": " + d.Text})
		}
	}
	if !met && len(r.Acts) == 0 {
		f.heard[id] = 0
	}
}
