package mesh_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// Start this several times, on one or more machines: the nodes find each other, and each prints what the others send.
func Example() {
	node, err := mesh.New(mesh.Config{Name: "my-cluster", OnConn: func(c *mesh.Conn) {
		defer c.Close() // the peer's Shutdown waits for this
		io.Copy(os.Stdout, c)
	}})
	if err != nil {
		log.Fatal(err)
	}
	if err := node.Listen(context.Background(), ""); err != nil {
		log.Fatal(err)
	}
	for range time.Tick(time.Second) {
		fmt.Println("write to", len(node.Conns()), "nodes")
		for _, c := range node.Conns() {
			fmt.Fprintln(c, "message from", node.ID())
		}
	}
}

// Two nodes on loopback with a common secret: one joins the other by its address, sends it a line, and departs.
func ExampleNode_Events() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	secret := mesh.NewSecret()
	received := make(chan string, 1)
	berlin, err := mesh.New(mesh.Config{Name: "example", Node: "berlin", Secrets: []string{secret}, NoMDNS: true,
		OnConn: func(c *mesh.Conn) {
			defer c.Close()
			line, _ := io.ReadAll(c) // until paris shuts down
			received <- fmt.Sprintf("%s sends %q", c.Peer().Name, line)
		}})
	if err != nil {
		log.Fatal(err)
	}
	defer berlin.Close()
	if err := berlin.Listen(ctx, "127.0.0.1"); err != nil {
		log.Fatal(err)
	}
	events, at := berlin.Events(ctx), berlin.Addr()

	paris, err := mesh.New(mesh.Config{Name: "example", Node: "paris", Secrets: []string{secret}, NoMDNS: true,
		Join: []string{netip.AddrPortFrom(at.Addrs[0], at.Port).String()},
		OnConn: func(c *mesh.Conn) {
			defer c.Close()
			fmt.Fprintf(c, "hello, %s", c.Peer().Name)
			c.CloseWrite()
			io.Copy(io.Discard, c)
		}})
	if err != nil {
		log.Fatal(err)
	}
	defer paris.Close()
	if err := paris.Listen(ctx, "127.0.0.1"); err != nil {
		log.Fatal(err)
	}

	fmt.Println(<-received)
	if err := paris.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	for e := range events {
		if e.Kind == string(meshinfo.Down) {
			fmt.Println(e.Peer.Name, "is", e.Kind, "and has", e.Peer.Cause)
			break
		}
	}
	// Output:
	// paris sends "hello, berlin"
	// paris is down and has departed
}
