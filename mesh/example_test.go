package mesh_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
)

// tcpnet's demo: start it several times, on one machine or on several, and each prints what the others say.
func Example() {
	node, err := mesh.New(mesh.Config{Name: "my-cluster", OnConn: func(c *mesh.Conn) {
		defer c.Close() // a peer's Shutdown waits for it
		io.Copy(os.Stdout, c)
	}})
	if err != nil {
		log.Fatal(err)
	}
	if err := node.Listen(context.Background(), "0.0.0.0:0"); err != nil {
		log.Fatal(err)
	}
	for range time.Tick(time.Second) {
		fmt.Println("write to", len(node.Conns()), "nodes")
		for _, c := range node.Conns() {
			fmt.Fprintln(c, "message from", node.ID())
		}
	}
}
