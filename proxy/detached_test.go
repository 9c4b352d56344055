package proxy_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// returning is a Protocol whose connections are for a file at first.
type returning struct {
	brittle
	detached chan struct{}
	back     chan struct{} // closed: a handshake follows
}

func (p returning) Same(proxy.Protocol) bool { return true }

func (p returning) Handshake(c net.Conn, a proxy.Arrival) (proxy.PendingClient, error) {
	a.Detach()
	close(p.detached)
	<-p.back
	return brittlePending{c, ""}, nil
}

// TestADetachedConnectionReturnsDuringAReload, which waits for the thread of the loop that
// has it: the connection must not wait for the reload.
func TestADetachedConnectionReturnsDuringAReload(t *testing.T) {
	eachRelay(t, func(t *testing.T, relay string) {
		p := returning{brittle{"its end"}, make(chan struct{}), make(chan struct{})}
		c := patiently(proxy.ServiceConfig{Name: "db", Relay: relay, Protocol: p, Listen: []string{proxytest.FreePort(t)}})
		v, reloads := &visit{TB: t}, false
		cfg := proxy.Config{Services: []proxy.ServiceConfig{c}}
		cfg.Activated = func(_ string, listen []string) (given []net.Listener, rest []string, err error) {
			if !reloads {
				return nil, listen, nil
			}
			close(p.back) // in the middle of the reload
			for end := time.Now().Add(patience); v.svc.Info().Queue.Waiting == 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					return nil, nil, errors.New("the connection did not return")
				}
			}
			return nil, listen, nil
		}
		var err error
		if v.Engine, err = proxy.New(cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })
		v.must("", v.Start())
		v.Operator, v.svc = v.Engine.Operator(), v.Engine.Service("db")
		v.dial("one")
		select {
		case <-p.detached:
		case <-time.After(patience):
			t.Fatal("no handshake began")
		}
		v.eventually("it is detached", func() bool { return len(v.Sessions(false)) == 0 })
		reloads = true
		c.Listen = append(c.Listen, proxytest.FreePort(t))
		c.Sock.KeepAlive = time.Hour // other listeners, on the same sockets
		cfg.Services = []proxy.ServiceConfig{c}
		if _, err := v.Apply(cfg); err != nil {
			t.Fatal(err)
		}
		v.untilWaiting(1)
	})
}
