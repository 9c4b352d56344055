package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// visitors are several concurrent loops of clients, each of which sends one request, until end.
type visitors struct {
	failed, served atomic.Int64
	laps           []atomic.Int64 // visits of each loop
	stop           chan struct{}
	wg             sync.WaitGroup
}

func startVisitors(addr string, n int) *visitors {
	v := &visitors{stop: make(chan struct{}), laps: make([]atomic.Int64, n)}
	for i := range n {
		v.wg.Go(func() {
			for {
				select {
				case <-v.stop:
					return
				case <-time.After(pace):
				}
				if err := asksOnce(addr); err != nil {
					v.failed.Add(1)
				} else {
					v.served.Add(1)
				}
				v.laps[i].Add(1)
			}
		})
	}
	return v
}

func (v *visitors) end() { close(v.stop); v.wg.Wait() }

// allAnew waits until each loop has begun and finished another visit.
func (v *visitors) allAnew(t *testing.T) {
	t.Helper()
	for i := range v.laps {
		for want, end := v.laps[i].Load()+2, time.Now().Add(patience); v.laps[i].Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("a client hangs")
			}
		}
	}
}

// asksOnce is a client with one request.
func asksOnce(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.says("hello"); err != nil {
		return err
	}
	_, err = c.r.ReadString('\n')
	return err
}

// TestAResettingBackendIsMetByNoClient: under load, one of three backends resets every client; once
// it is ejected no client fails. If a second one resets, too, it is not ejected, so that the third
// is never left alone.
func TestAResettingBackendIsMetByNoClient(t *testing.T) {
	t.Parallel()
	var backends [3]*backend
	file := "[services.db]\nlisten = \"127.0.0.1:0\"\npassive = { eject = \"1h\" }\nbackends = [" // longer than the test takes on a busy machine
	for i, name := range []string{"a", "b", "c"} {
		b := startBackend(t, name)
		backends[i] = b
		file += fmt.Sprintf("{ name = %q, addr = %q }, ", name, b.addr)
	}
	path := filepath.Join(t.TempDir(), "tcpctl.toml")
	if err := os.WriteFile(path, []byte(file+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := runInstance(t, nil, "run", "-c", path, "--no-ui")
	addr := in.addr()
	load := startVisitors(addr, 8)
	defer load.end()
	ejected := func() (names []string) {
		for _, b := range in.service().Backends {
			if b.State == proxy.StateEjected {
				names = append(names, b.Name)
			}
		}
		return names
	}
	served := func(more int64) {
		t.Helper()
		for want, end := load.served.Load()+more, time.Now().Add(patience); load.served.Load() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("no client is served")
			}
		}
	}
	served(100)
	backends[0].setMoody(true)
	for end := time.Now().Add(patience); len(ejected()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not ejected; %d failed", load.failed.Load())
		}
	}
	load.allAnew(t) // clients that had reached it have finished
	failed := load.failed.Load()
	served(500)
	if n := load.failed.Load(); n != failed {
		t.Errorf("%d clients failed after the ejection of %v", n-failed, ejected())
	}
	backends[1].setMoody(true)
	for range 20 {
		served(20)
		if names := ejected(); len(names) != 1 || names[0] != "a" {
			t.Errorf("ejected are %v", names)
		}
	}
	page, err := in.Events(context.Background(), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	if countKind(page, proxy.EventEjected) < 2 {
		t.Errorf("it is not said that the second stays in: %+v", page.Events)
	}
}

func countKind(page proxy.EventPage, kind string) (n int) {
	for _, ev := range page.Events {
		if ev.Kind == kind {
			n++
		}
	}
	return n
}
