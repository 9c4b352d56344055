package fleet

import (
	"encoding/json"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// FuzzRecord reads any bytes as a peer's record: a bad one is nothing, and
// never more.
func FuzzRecord(f *testing.F) {
	good, _ := json.Marshal(record{Version: recordVersion, Services: []api.PeerService{{Name: "db", State: "open", Up: 1, Backends: 2}}, Acts: []operatorAct{{Seq: 1, By: "ana@edge-01", Text: "drain db/a"}}})
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
	})
}

func TestActsBeforeTheFirstContactAreNoEvents(t *testing.T) {
	engine, err := proxy.New(proxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f := &Fleet{source: &api.Local{Engine: engine}, noted: noted{}}
	old, now := operatorAct{Seq: 7, By: "ana", Text: "drain db/a"}, operatorAct{Seq: 9, By: "ana", Text: "ready db/a"}
	f.noteActs("id", "edge-02", record{Acts: []operatorAct{old}})
	f.noteActs("id", "edge-02", record{Acts: []operatorAct{old, now}})
	f.noteActs("id", "edge-02", record{Acts: []operatorAct{old, now}})
	page, _ := engine.Operator().Events(0)
	if len(page.Events) != 1 || page.Events[0].Text != "on edge-02: ready db/a" || page.Events[0].Peer != "edge-02" {
		t.Errorf("%+v", page.Events)
	}
}
