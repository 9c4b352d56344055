// Package mesh connects all nodes that share a name: every node gets one TCP connection to every other, and nothing has to be
// configured.
//
//	node, err := mesh.New(mesh.Config{Name: "my-cluster", OnConn: func(c *mesh.Conn) {
//		defer c.Close()       // or the peer's Shutdown waits for it until its ctx is done
//		io.Copy(os.Stdout, c) // what this peer sends
//	}})
//	…
//	err = node.Listen(ctx, "") // any port, all addresses
//	…
//	for _, c := range node.Conns() { // the peers that are connected by now
//		fmt.Fprintln(c, "hello from", node.ID())
//	}
//	…
//	err = node.Shutdown(ctx)
//
// Nodes find each other by several sources side by side (multicast DNS, addresses to join, names in the DNS, the peers of
// peers, and a file of those that were met), and talk TLS 1.3 with an ed25519 key each. With Config.Secrets, only nodes that
// prove a common secret connect; without, any node on the network may join, and none is trusted (meshinfo.Peer.Trusted).
//
// Between two nodes there are two connections. One is the program's: it is what OnConn gets, a plain stream with
// half-close. The other is the link, which the package keeps to itself. It carries heartbeats, by which Events tells a peer
// that has crashed from one that is unreachable, unresponsive or has departed; each node's record (SetRecord); and further
// streams (OpenStream). A lost peer is dialled again until Config.Forget.
//
// That is for tens of nodes. With Config.Hubs, where there are more than Config.FullUpTo, nodes link to the hubs only: the hubs
// tell them of all others, whose records are signed, and carry streams between them, which they cannot read. A node to which
// there is no link has no connection of the program's.
//
// Package meshinfo has the values that describe peers, and package meshtest a network in memory for tests.
package mesh
