// Package ws is WebSocket (RFC 6455) as a stream of bytes: a Listener and a
// Dialer whose Conn is a net.Conn, with a fast path for relays to TCP. Both sides
// are strict about the protocol.
//
// A server that relays each client to a TCP service:
//
//	l, _ := ws.Listen("tcp", ":8080", ws.Config{})
//	for {
//		p, err := l.Next()
//		if err != nil {
//			return
//		}
//		go bridge(p)
//	}
//
// where bridge answers the handshake only once the backend is connected:
//
//	backend, err := net.Dial("tcp", "127.0.0.1:5900")
//	if err != nil {
//		p.Refuse(502, 0, "no backend")
//		return
//	}
//	c, err := p.Accept()
//	if err != nil { … }
//	go func() {
//		c.WriteTo(backend)   // returns when the client has sent Close
//		backend.CloseWrite() // and the backend may still have an answer
//	}()
//	c.ReadFrom(backend)
//	c.Close() // 1000, or the client's own code
//
// WriteTo returns at the client's Close, after all payload before it has been
// written, so that the backend gets the end of the stream. What the backend still
// sends is delivered until the program closes or has written nothing for a
// second; then the client's code is echoed.
//
// Masking uses gobwas/ws, which does it in assembly. The parser is our own, because
// that of gobwas/ws accepts frames that a strict server must refuse.
package ws
