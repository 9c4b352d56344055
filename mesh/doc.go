// Package mesh connects all nodes that share a name: every node gets one TCP connection to every other, and nothing needs configuring.
//
//	node, err := mesh.New(mesh.Config{Name: "my-cluster", OnConn: func(c *mesh.Conn) {
//		defer c.Close()       // or a peer's Shutdown waits for it until its limit
//		io.Copy(os.Stdout, c) // what this peer says
//	}})
//	err = node.Listen(ctx, "0.0.0.0:0")
//	for _, c := range node.Conns() {
//		fmt.Fprintln(c, "hello from", node.ID())
//	}
//
// Nodes find each other by several sources side by side (multicast DNS, addresses to join, names in the DNS, what peers
// tell, what is remembered), and talk TLS 1.3 with an ed25519 key each. With Config.Secrets, only nodes that prove a
// common secret get in; without, anyone on the network may join, and Peer.Trusted is false.
//
// Between two nodes there are two connections. One is the program's: it is what OnConn gets, a plain stream with
// half-close. The other is the link, which the package keeps to itself: heartbeats, so that a peer that crashed, was cut
// off, hangs or left is told apart (Events); each node's record (SetRecord); and further streams (OpenStream). A lost
// peer is dialled again for as long as it is remembered.
package mesh
