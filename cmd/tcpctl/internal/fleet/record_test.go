package fleet

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// FuzzRecord parses arbitrary bytes as a peer's record: an invalid one gives an empty record.
func FuzzRecord(f *testing.F) {
	good, _ := json.Marshal(record{Version: recordVersion, Services: []api.PeerService{{Name: "db", State: "open", Up: 1, Backends: 2}}, Acts: []operatorAct{{Seq: 1, By: "ana@edge-01", Text: "drain db/a"}},
		Checks: []proxy.SharedCheck{{Service: "db", Backend: "a", Addr: "10.0.0.1:5432", Wanted: true, Verdict: &proxy.Verdict{At: time.Unix(1, 0), OK: true, Known: true, Up: true}}}})
	f.Add(good)
	f.Add([]byte(`{"services": [{"up": -1}], "acts": [{"seq": 18446744073709551615}]}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(text)
		if err != nil && (len(r.Services) > 0 || len(r.Acts) > 0) {
			t.Errorf("%+v, of a record that cannot be read", r)
		}
		p := api.Peer{Services: r.Services}
		p.Up()
		var c checks
		c.note(meshinfo.Peer{ID: "1", Trusted: true, State: meshinfo.Alive}, r)
		for i := range r.Checks {
			r.Checks[i].Place = 0
			if f := c.follow("2", true, &r.Checks[i]); len(f) == 0 || f[0].Place != 1 {
				t.Errorf("%+v of %+v", f, r.Checks[i])
			}
		}
	})
}

// followed is a node without a mesh, to which a test passes mesh events.
func followed(t *testing.T) (*Fleet, func() []string) {
	engine, err := proxy.New(proxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{source: &api.Local{Engine: engine}, noted: noted{}}
	return f, func() (lines []string) {
		page, _ := engine.Operator().Events(0)
		for _, ev := range page.Events {
			if ev.Kind == proxy.EventOperator && ev.Peer == "edge-02" {
				lines = append(lines, ev.Text)
			}
		}
		return lines
	}
}

// peerChange returns an event of a peer with these acts in its record; without acts, the record has
// not come yet.
func peerChange(t *testing.T, kind string, acts ...operatorAct) mesh.Event {
	p := meshinfo.Peer{ID: "id", Name: "edge-02"}
	if len(acts) > 0 {
		var err error
		if p.Record, err = json.Marshal(record{Version: recordVersion, Acts: acts}); err != nil {
			t.Fatal(err)
		}
	}
	return mesh.Event{Kind: kind, Peer: p}
}

func TestActsBeforeTheFirstContactAreNoEvents(t *testing.T) {
	t.Parallel()
	before, since := operatorAct{Seq: 7, By: "ana", Text: "drain db/a"}, operatorAct{Seq: 9, By: "ana", Text: "ready db/a"}
	for name, changes := range map[string][]mesh.Event{
		"the record comes after the link": {peerChange(t, "alive"), peerChange(t, mesh.EventUpdate, before)},
		"the record came with the link":   {peerChange(t, "alive", before)},
		"the link is suspect":             {peerChange(t, "suspect", before)},
	} {
		t.Run(name, func(t *testing.T) {
			f, events := followed(t)
			for _, ev := range append(changes, peerChange(t, mesh.EventUpdate, before, since), peerChange(t, "alive", before, since)) {
				f.noteChange(ev)
			}
			if got := events(); !slices.Equal(got, []string{"on edge-02: ready db/a"}) {
				t.Errorf("%q", got)
			}
		})
	}
}
