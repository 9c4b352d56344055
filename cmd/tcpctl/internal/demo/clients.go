package demo

import (
	_ "embed"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// waves sends clients to the balanced service at a varying rate.
func (d *Demo) waves(addr string) {
	began := time.Now()
	for {
		// Two waves a minute, of one to nine new clients a second.
		tide := 1 - math.Cos(2*math.Pi*time.Since(began).Seconds()/30)
		if !d.sleep(time.Duration(float64(time.Second) / (1 + 4*tide))) {
			return
		}
		d.wg.Go(func() { d.talk(addr, between(500*time.Millisecond, 6*time.Second), rand.IntN(64<<10)+64) })
	}
}

// visitors sends groups of clients to the lock, so that its queue grows and shrinks.
func (d *Demo) visitors(addr string) {
	for {
		for range 2 + rand.IntN(6) {
			d.wg.Go(func() { d.talk(addr, between(400*time.Millisecond, 2500*time.Millisecond), 512) })
			if !d.sleep(between(20*time.Millisecond, 400*time.Millisecond)) {
				return
			}
		}
		if !d.sleep(between(3*time.Second, 9*time.Second)) {
			return
		}
	}
}

// talk is one client: it sends data and reads it back, for a while from the first answer on.
func (d *Demo) talk(addr string, whole time.Duration, size int) {
	c, err := (&net.Dialer{}).DialContext(d.ctx, "tcp", addr)
	if err != nil {
		return
	}
	d.chat(c, whole, size)
}

// chat is a client's session over any connection.
func (d *Demo) chat(c net.Conn, whole time.Duration, size int) {
	defer c.Close()
	hangUp := make(chan struct{})
	defer close(hangUp)
	d.wg.Go(func() { d.hangUp(c, hangUp) })
	sent, received := make([]byte, size), make([]byte, size)
	var end time.Time
	for end.IsZero() || time.Now().Before(end) {
		if _, err := c.Write(sent); err != nil {
			return
		}
		if _, err := io.ReadFull(c, received); err != nil {
			return
		}
		if end.IsZero() {
			end = time.Now().Add(whole)
		}
		if !d.sleep(between(10*time.Millisecond, 80*time.Millisecond)) {
			return
		}
	}
}

// hangUp ends a client's session when the demo ends.
func (d *Demo) hangUp(c net.Conn, done <-chan struct{}) {
	select {
	case <-d.ctx.Done():
		c.Close()
	case <-done:
	}
}

//go:embed page.html
var page []byte

func servePage(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page)
}

// desk is the service of the bridge: only two clients at a time, so that there is soon a queue.
func (d *Demo) desk(backend proxy.BackendConfig, check proxy.CheckConfig) proxy.ServiceConfig {
	return proxy.ServiceConfig{Name: "desk", Listen: []string{"127.0.0.1:0"}, Backends: []proxy.BackendConfig{backend}, Check: check,
		Protocol: d.bridge, Lock: proxy.LockConfig{Slots: 2}, Queue: proxy.QueueConfig{Timeout: 2 * time.Minute}}
}

// caller is a client that connects to the bridge now and then.
func (d *Demo) caller(addr string) {
	for d.sleep(between(time.Second, 4*time.Second)) {
		c, err := (&ws.Dialer{Subprotocols: []string{"binary"}}).Dial(d.ctx, "ws://"+addr)
		if err == nil {
			d.chat(c, between(3*time.Second, 12*time.Second), 256)
		}
	}
}
