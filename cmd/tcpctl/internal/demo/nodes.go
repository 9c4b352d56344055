package demo

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// Mesh is how the demo's nodes find and trust each other: by a secret of the
// moment, on loopback, without multicast.
func Mesh(node, secret string, join ...string) *fleet.Config {
	return &fleet.Config{Listen: "127.0.0.1:0", Version: "demo", Log: slog.New(slog.DiscardHandler),
		Mesh: mesh.Config{Name: "demo", Node: node, Secrets: []string{secret}, Join: join, NoMDNS: true}}
}

// neighbour is another node in the same process, with its own engine.
type neighbour struct {
	engine *proxy.Engine
	fleet  *fleet.Fleet
}

// Neighbours starts n more nodes, which join the mesh at addr. Each
// serves the web backends on a port of its own.
func (d *Demo) Neighbours(n int, secret, addr string) error {
	for i := range n {
		name := fmt.Sprintf("demo-%d", i+2)
		web := d.Services()[0]
		engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{web}})
		if err != nil {
			return err
		}
		local := &api.Local{Engine: engine, By: "demo@" + name, Node: api.Node{Name: name, Version: "demo", Started: time.Now()}}
		f, err := fleet.Start(context.Background(), *Mesh(name, secret, addr), local)
		if err != nil {
			return err
		}
		if err := engine.Start(); err != nil {
			f.Close()
			return err
		}
		d.neighbours = append(d.neighbours, neighbour{engine, f})
		at := engine.Service("web").Info().Listen[0]
		d.wg.Go(func() { d.waves(at) })
	}
	return nil
}

func (n neighbour) close() {
	n.engine.Close()
	n.fleet.Close()
}
