package discover

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent is a Consul agent, as far as its health endpoint goes, from Consul's
// documentation of blocking queries.
type agent struct {
	url string

	mu      sync.Mutex
	index   uint64
	body    string
	status  int
	stuck   bool          // it answers nothing at all
	changed chan struct{} // closed at the next change
	asked   []string
}

func newAgent(t *testing.T) *agent {
	a := &agent{index: 1, body: "[]", changed: make(chan struct{})}
	server := httptest.NewServer(a)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	a.url = server.URL
	return a
}

func (a *agent) set(index uint64, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index, a.body, a.status, a.stuck = index, body, 0, false
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) change(how func(*agent)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	how(a)
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) questions() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.asked, "\n")
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.URL.Path+"?"+r.URL.Query().Encode()+" "+r.Header.Get("X-Consul-Token"))
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	index := r.URL.Query().Get("index")
	for timeout := time.After(wait); a.stuck || index != "" && index == fmt.Sprint(a.index) && a.status == 0; {
		changed := a.changed
		if a.stuck {
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
	if a.status != 0 {
		w.WriteHeader(a.status)
		fmt.Fprint(w, "rpc error: No cluster leader")
		return
	}
	fmt.Fprint(w, a.body)
}

// instance is one element of the endpoint's answer.
func instance(node, addr, id, serviceAddr string, port, weight int) string {
	return fmt.Sprintf(`{"Node":{"Node":%q,"Address":%q},"Service":{"ID":%q,"Service":"db","Address":%q,"Port":%d,"Weights":{"Passing":%d,"Warning":1}},"Checks":[]}`,
		node, addr, id, serviceAddr, port, weight)
}

func TestConsul(t *testing.T) {
	a := newAgent(t)
	long := strings.Repeat("x", 80)
	a.set(7, "["+strings.Join([]string{
		instance("n1", "10.0.0.1", "db", "", 5432, 1), instance("n2", "10.0.0.2", "db", "10.1.0.2", 5432, 3),
		instance("n3", "10.0.0.3", "db-1", "", 5433, 0), instance("n3", "10.0.0.3", "db 2/x", "fd00::3", 5434, 1),
		instance("n4", "10.0.0.4", long, "", 5435, 1)}, ",")+"]")
	got := asked(t, &Spec{From: "consul:db?tag=primary&tag=eu&dc=d1&addr=" + a.url})
	want := "0s db-1@n3=10.0.0.3:5433 db-2-x@n3-83be1d8f=[fd00::3]:5434 n1=10.0.0.1:5432 n2=10.1.0.2:5432,3,0 " + backendName(long+"@n4") + "=10.0.0.4:5435"
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	if q := a.questions(); q != "/v1/health/service/db?dc=d1&passing=1&tag=primary&tag=eu&wait=1000ms " {
		t.Errorf("it was asked %q", q)
	}
	for body, want := range map[string]string{
		`not json`: "invalid character", `{"a": 1}`: "cannot unmarshal object", `[{}]`: "no node or no service", `[null]`: "no node",
		"[" + instance("n1", "", "db", "", 5432, 1) + "]":          `instance "n1" has no address or no port`,
		"[" + instance("n1", "10.0.0.1", "db", "", 0, 1) + "]":     "no port",
		"[" + instance("n1", "10.0.0.1", "db", "", 99999, 1) + "]": `backend "n1" cannot be used`,
		`[`: "EOF",
	} {
		a.set(8, body)
		if got := asked(t, &Spec{From: "consul:db?addr=" + a.url}); !strings.HasPrefix(got, "! ") || !strings.Contains(got, want) {
			t.Errorf("%.40s: got %s, want %s", body, got, want)
		}
	}
}

// A blocking query waits for a change, an index that goes back or an error
// makes the next question an immediate one, and one that never ends is an error.
func TestConsulBlocks(t *testing.T) {
	a := newAgent(t)
	one := "[" + instance("n1", "10.0.0.1", "db", "", 5432, 1) + "]"
	a.set(7, one)
	s := &Spec{From: "consul:db?addr=" + a.url, Timeout: 500 * time.Millisecond}
	src, err := s.open("db")
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	ask := func(patience time.Duration) (int, error) {
		t.Helper()
		got, err := src.ask(t.Context(), patience)
		return len(got.backends), err
	}
	if n, err := ask(0); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for !strings.Contains(a.questions(), "index=7") { // it waits
			time.Sleep(time.Millisecond)
		}
		a.set(9, "[]")
	}()
	if n, err := ask(time.Minute); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	<-changed
	a.set(3, one) // another server's state
	if n, err := ask(time.Minute); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := ask(time.Minute); n != 1 || err != nil || !strings.HasSuffix(a.questions(), "passing=1&wait=60000ms ") {
		t.Errorf("%d, %v: after the index went back, asked was\n%s", n, err, a.questions())
	}
	a.change(func(a *agent) { a.status = 500 })
	if _, err := ask(time.Minute); err == nil || !strings.Contains(err.Error(), "No cluster leader") {
		t.Errorf("500: %v", err)
	}
	a.set(3, one)
	if n, err := ask(time.Minute); n != 1 || err != nil {
		t.Error(n, err) // index 3 again, but it does not wait
	}
	if n, err := ask(time.Second); n != 1 || err != nil { // nothing changes: the answer comes when the wait is over
		t.Error(n, err)
	}
	a.change(func(a *agent) { a.stuck = true })
	if _, err := ask(time.Second); err == nil || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("stuck: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.ask(ctx, time.Minute); err == nil {
		t.Error("it goes on after its end")
	}
}

// What a server sends without end is not read without end.
func TestConsulFloods(t *testing.T) {
	var sent int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "[")
		for b := []byte(strings.Repeat(" ", 1<<20)); sent < 1<<10; sent++ {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if got := asked(t, &Spec{From: "consul:db?addr=" + server.URL}); !strings.HasPrefix(got, "! consul: ") {
		t.Errorf("got %s", got)
	}
	server.Close()
	if sent > 500 {
		t.Errorf("%d MiB were taken", sent)
	}
	if got := asked(t, &Spec{From: "consul:db?addr=" + server.URL}); !strings.Contains(got, "connection refused") {
		t.Errorf("nobody there: %s", got)
	}
}
