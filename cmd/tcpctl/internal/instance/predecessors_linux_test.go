package instance

import (
	"net/http"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/upgrade"
	"github.com/tcpctl/tcpctl/proxy"
)

// TestTheFirstAnswerIsAwaited: a slow predecessor may have shown counts that have not arrived here.
// Once its counts are known, a status does not wait for it.
func TestTheFirstAnswerIsAwaited(t *testing.T) {
	askWithin = 50 * time.Millisecond
	e, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	counted, unresponsive := make(chan int64, 1), make(chan struct{})
	answer := func(counters bool) (now proxy.Remaining) {
		if counters {
			select {
			case n := <-counted:
				time.Sleep(2 * askWithin)
				now.Counters = []proxy.ServiceInfo{{Name: "db", Sessions: proxy.SessionCounts{Total: n}}}
			case <-unresponsive:
			}
		}
		return now
	}
	old, err := upgrade.ServeFollowers(http.NotFoundHandler(), answer)
	if err != nil {
		t.Fatal(err)
	}
	owned := make(chan struct{})
	g := newPredecessors(e)
	// Without follow, whose stream would consume some of the answers.
	one := upgrade.Generation{PID: 1, Addr: old.Addr()}
	g.addLocked(one)
	g.owned = owned
	shown := func() int64 {
		g.refresh(t.Context())
		return e.Service("db").Info().Sessions.Total
	}
	counted <- 5
	if n := shown(); n != 5 {
		t.Errorf("%d are counted before it is released", n)
	}
	close(owned)
	counted <- 7
	if n := shown(); n != 7 {
		t.Errorf("%d are counted in the first status after it", n)
	}
	if n := shown(); n != 7 { // would block until the answer if it waited
		t.Errorf("%d are counted while it does not answer", n)
	}
	close(unresponsive)
	g.close()
	old.Close()
}
