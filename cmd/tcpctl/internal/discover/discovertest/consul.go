package discovertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Agent is a Consul agent, as far as its health endpoint goes, from Consul's
// documentation of blocking queries.
type Agent struct {
	URL string

	mu      sync.Mutex
	index   uint64
	body    string
	changed chan struct{} // closed at the next change
	asked   []string

	// How it answers, to be changed within Change.
	Status int  // for everything; 0: as Set says
	Stuck  bool // it answers nothing at all
}

// NewAgent starts one without instances, and ends it with the test.
func NewAgent(t testing.TB) *Agent {
	a := &Agent{index: 1, body: "[]", changed: make(chan struct{})}
	server := httptest.NewServer(a)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	a.URL = server.URL
	return a
}

// Set gives an answer, and the index that comes with it.
func (a *Agent) Set(index uint64, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index, a.body, a.Status, a.Stuck = index, body, 0, false
	close(a.changed)
	a.changed = make(chan struct{})
}

// Change changes how it answers.
func (a *Agent) Change(how func(*Agent)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how(a)
	close(a.changed)
	a.changed = make(chan struct{})
}

// Questions are what was asked, a line each: path, query and token.
func (a *Agent) Questions() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.asked, "\n")
}

func (a *Agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.Path+"?"+r.URL.Query().Encode()+" "+r.Header.Get("X-Consul-Token"))
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	index := r.URL.Query().Get("index")
	for timeout := time.After(wait); a.Stuck || index != "" && index == fmt.Sprint(a.index) && a.Status == 0; {
		changed := a.changed
		if a.Stuck {
			timeout = nil
		}
		a.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-timeout:
			index = ""
		}
		a.mu.Lock()
	}
	defer a.mu.Unlock()
	w.Header().Set("X-Consul-Index", fmt.Sprint(a.index))
	if a.Status != 0 {
		w.WriteHeader(a.Status)
		fmt.Fprint(w, "rpc error: No cluster leader")
		return
	}
	fmt.Fprint(w, a.body)
}

// Instance is one element of the endpoint's answer.
func Instance(node, addr, id, serviceAddr string, port, weight int) string {
	return fmt.Sprintf(`{"Node":{"Node":%q,"Address":%q},"Service":{"ID":%q,"Service":"db","Address":%q,"Port":%d,"Weights":{"Passing":%d,"Warning":1}},"Checks":[]}`,
		node, addr, id, serviceAddr, port, weight)
}
