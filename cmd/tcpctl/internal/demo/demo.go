// Package demo is a set of services to try tcpctl with: backends that serve and fail, and clients
// that come in waves, all on loopback. Nothing needs to be installed.
package demo

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/protocol"
	"github.com/tcpctl/tcpctl/proxy"
)

// Demo is these backends, clients and nodes. Make it with New, and end it with Close.
type Demo struct {
	backends   []*Backend
	bridge     *protocol.WebSocket
	neighbours []neighbour
	wg         sync.WaitGroup
	ctx        context.Context
	cancel     context.CancelFunc
}

// New starts the backends.
func New() (*Demo, error) {
	d := &Demo{}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	var err error
	if d.bridge, err = protocol.NewWebSocket(config.NewWS(), http.HandlerFunc(servePage)); err != nil {
		return nil, err
	}
	for _, name := range []string{"web-a", "web-b", "web-c", "soffice", "echo"} {
		b, err := NewBackend(name)
		if err != nil {
			d.Close()
			return nil, err
		}
		d.backends = append(d.backends, b)
	}
	return d, nil
}

// Services is the proxy's configuration for it: a balanced one whose third backend
// stands by, a lock with a queue, and a WebSocket bridge.
func (d *Demo) Services() []proxy.ServiceConfig {
	backend := func(n int) proxy.BackendConfig {
		return proxy.BackendConfig{Name: d.backends[n].Name, Addr: d.backends[n].Addr()}
	}
	a, b, c, office := backend(0), backend(1), backend(2), backend(3)
	a.Weight, c.Priority = 2, 1
	a.Restart, b.Restart, c.Restart = []string{"true"}, []string{"true"}, []string{"true"} // there is nothing to restart
	check := proxy.CheckConfig{Interval: time.Second, Timeout: time.Second}
	return []proxy.ServiceConfig{
		{Name: "web", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{a, b, c}, Check: check},
		{Name: "office", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{office}, Check: check,
			Lock: proxy.LockConfig{Slots: 1, TTL: 30 * time.Second}, Queue: proxy.QueueConfig{Timeout: 2 * time.Minute}},
		d.desk(backend(4), check),
	}
}

// Start sends clients to the services, and lets a backend come and go.
func (d *Demo) Start(web, office, desk string) {
	d.wg.Go(func() { d.caller(desk) })
	d.wg.Go(func() { d.waves(web) })
	d.wg.Go(func() { d.visitors(office) })
	d.wg.Go(func() { d.mishaps(d.backends[1]) })
}

// Close ends the clients, then the backends, and waits for all of them.
func (d *Demo) Close() {
	d.cancel()
	d.wg.Wait()
	for _, n := range d.neighbours {
		n.close()
	}
	for _, b := range d.backends {
		b.Stop()
	}
}

// sleep waits, and returns false if the demo ends first.
func (d *Demo) sleep(t time.Duration) bool {
	select {
	case <-d.ctx.Done():
		return false
	case <-time.After(t):
		return true
	}
}

// between returns a random time.
func between(a, b time.Duration) time.Duration { return a + rand.N(b-a) }

// mishaps stops a backend for a while, repeatedly.
func (d *Demo) mishaps(b *Backend) {
	for d.sleep(between(12*time.Second, 18*time.Second)) {
		b.Stop()
		if !d.sleep(between(6*time.Second, 10*time.Second)) {
			return
		}
		b.Start() // if the port is taken meanwhile, the backend stays down
	}
}
