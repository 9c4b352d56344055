package discover

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/discover/discovertest"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(16, 8)
	goleak.VerifyTestMain(m)
}

func TestConsul(t *testing.T) {
	t.Parallel()
	a := discovertest.NewAgent(t)
	long := strings.Repeat("x", 80)
	a.Set(7, "["+strings.Join([]string{
		discovertest.Instance("n1", "10.0.0.1", "db", "", 5432, 1), discovertest.Instance("n2", "10.0.0.2", "db", "10.1.0.2", 5432, 3),
		discovertest.Instance("n3", "10.0.0.3", "db-1", "", 5433, 0), discovertest.Instance("n3", "10.0.0.3", "db 2/x", "fd00::3", 5434, 1),
		discovertest.Instance("n4", "10.0.0.4", long, "", 5435, 1)}, ",")+"]")
	got := asked(t, &Spec{From: "consul:db?tag=primary&tag=eu&dc=d1&addr=" + a.URL})
	want := "0s db-1@n3=10.0.0.3:5433 db-2-x@n3-83be1d8f=[fd00::3]:5434 n1=10.0.0.1:5432 n2=10.1.0.2:5432,3,0 " + backendName(long+"@n4") + "=10.0.0.4:5435"
	if got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	if q := a.Questions(); q != "/v1/health/service/db?dc=d1&passing=1&tag=primary&tag=eu&wait=1000ms " {
		t.Errorf("it was asked %q", q)
	}
	for body, want := range map[string]string{
		`not json`: "invalid character", `{"a": 1}`: "cannot unmarshal object", `[{}]`: "no node or no service", `[null]`: "no node",
		"[" + discovertest.Instance("n1", "", "db", "", 5432, 1) + "]":          `instance "n1" has no address or no port`,
		"[" + discovertest.Instance("n1", "10.0.0.1", "db", "", 0, 1) + "]":     "no port",
		"[" + discovertest.Instance("n1", "10.0.0.1", "db", "", 99999, 1) + "]": `backend "n1" cannot be used`,
		`[`: "EOF",
	} {
		a.Set(8, body)
		if got := asked(t, &Spec{From: "consul:db?addr=" + a.URL}); !strings.HasPrefix(got, "! ") || !strings.Contains(got, want) {
			t.Errorf("%.40s: got %s, want %s", body, got, want)
		}
	}
}

// A blocking query waits for a change; after an error, or an index that went back, the next query
// does not block.
func TestConsulBlocks(t *testing.T) {
	t.Parallel()
	a := discovertest.NewAgent(t)
	one := "[" + discovertest.Instance("n1", "10.0.0.1", "db", "", 5432, 1) + "]"
	a.Set(7, one)
	s := &Spec{From: "consul:db?addr=" + a.URL, Timeout: time.Minute}
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
		for !strings.Contains(a.Questions(), "index=7") { // until the query blocks
			time.Sleep(time.Millisecond)
		}
		a.Set(9, "[]")
	}()
	if n, err := ask(time.Minute); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	<-changed
	a.Set(3, one) // another server's state
	if n, err := ask(time.Minute); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := ask(time.Minute); n != 1 || err != nil || !strings.HasSuffix(a.Questions(), "passing=1&wait=60000ms ") {
		t.Errorf("%d, %v: after the index went back, asked was\n%s", n, err, a.Questions())
	}
	a.Change(func(a *discovertest.Agent) { a.Status = 500 })
	if _, err := ask(time.Minute); err == nil || !strings.Contains(err.Error(), "No cluster leader") {
		t.Errorf("500: %v", err)
	}
	a.Set(3, one)
	if n, err := ask(time.Minute); n != 1 || err != nil {
		t.Error(n, err) // index 3 again, but the query does not block
	}
	if n, err := ask(time.Second); n != 1 || err != nil { // nothing changes: the answer comes after the wait
		t.Error(n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.ask(ctx, time.Minute); err == nil {
		t.Error("the query continues after the end of its context")
	}
}

// A query that never ends is an error.
func TestConsulThatIsStuck(t *testing.T) {
	t.Parallel()
	a := discovertest.NewAgent(t)
	a.Change(func(a *discovertest.Agent) { a.Stuck = true })
	got := asked(t, &Spec{From: "consul:db?addr=" + a.URL, Timeout: 50 * time.Millisecond})
	if !strings.HasPrefix(got, "! ") || !strings.Contains(got, "no answer within") {
		t.Errorf("got %s", got)
	}
}

// An endless answer is not read without end.
func TestConsulFloods(t *testing.T) {
	t.Parallel()
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
	proxytest.StopListening(server.Listener)
	server.Close()
	if sent > 500 {
		t.Errorf("%d MiB were taken", sent)
	}
	if got := asked(t, &Spec{From: "consul:db?addr=" + server.URL}); !strings.Contains(got, "connection refused") {
		t.Errorf("no server there: %s", got)
	}
}
