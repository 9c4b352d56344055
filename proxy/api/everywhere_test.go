package api

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// manyPeers is the status of a node with this many peers.
type manyPeers struct {
	Source
	peers int
}

func (m manyPeers) Status(context.Context) (*Status, error) {
	st := &Status{Mesh: &Mesh{Secret: true}}
	for i := range m.peers {
		st.Mesh.Peers = append(st.Mesh.Peers, Peer{Peer: meshinfo.Peer{ID: fmt.Sprint(i), Name: fmt.Sprint("edge-", i), State: meshinfo.Alive, Trusted: true}})
	}
	return st, nil
}

// TestManyNodesAreAskedSideBySide, but at most as many at a time as fit into the control
// socket of the asking node: with a hundred at once a third of them were unknown.
func TestManyNodesAreAskedSideBySide(t *testing.T) {
	var mu sync.Mutex
	now, most, full := 0, 0, make(chan struct{})
	self := manyPeers{peers: 4 * AskAtOnce}
	all, err := AskAll(t.Context(), self, func(string) Source { return self }, func(context.Context, Source) (int, error) {
		mu.Lock()
		if now++; now > most {
			if most = now; most == AskAtOnce {
				close(full)
			}
		}
		mu.Unlock()
		<-full // the first wait for each other
		mu.Lock()
		defer mu.Unlock()
		now--
		return 1, nil
	})
	if err != nil || len(all) != self.peers+1 || most != AskAtOnce {
		t.Fatalf("%d of %d answers, at most %d at a time: %v", len(all), self.peers+1, most, err)
	}
	for _, a := range all {
		if a.Outcome != OutcomeDone || a.Result != 1 {
			t.Errorf("%s: %+v", a.Node, a)
		}
	}
}
