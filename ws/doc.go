// Package ws is WebSocket (RFC 6455) as a stream of bytes, strict on both
// sides: a Listener of net.Conns, a Dialer, and a Conn with a fast path for
// relays.
//
// A bridge to a TCP service:
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
// and its bridge answers the handshake only when the backend is there:
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
//	c.Close() // 1000, or the echo of the client's own code
//
// A client's Close reaches the backend as the end of its stream, after all
// that came before it. The code is echoed when the program closes, or a second
// later if it does not; until then what the backend still says is delivered.
//
// Masking is gobwas/ws's, which has it in assembly; its frame checks let pass
// what a strict server must not, so those are here.
package ws
