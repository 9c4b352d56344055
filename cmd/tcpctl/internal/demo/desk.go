package demo

import (
	_ "embed"
	"net/http"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

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
