package ws

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"reflect"
	"sync"
	"testing"
)

// Every request that fastHandshake accepts is accepted by net/http, too, with the
// same bytes after it.
func FuzzFastHandshake(f *testing.F) {
	good := "GET /a?b=c HTTP/1.1\r\nHost: h:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	f.Add([]byte(good + "\r\n"))
	f.Add([]byte(good + "Origin: http://h:1\r\nCookie: a=\"b\"; c=\xff\r\n\r\n\x81\x80abcd"))
	f.Add([]byte(good + "Content-Length: 0\r\nX: a\r\n b\r\n\r\n"))
	f.Add([]byte(good + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	f.Add([]byte(good + "Expect: 100-continue\r\nHost: other\r\n\r\n"))
	f.Add(bytes.ReplaceAll([]byte(good+"\r\n"), []byte("\r\nH"), []byte("\nH")))
	l, err := NewListener(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, rest := parseRequest(in)
		if r == nil || !isHandshake(r) || l.check(r, HandshakeOptions{}) != nil {
			return
		}
		c := &oneConn{script: script{in, len(in)}, closed: make(chan struct{})}
		var same *http.Request
		var sameRest []byte
		server := http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			same = r
			_, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			sameRest = make([]byte, rw.Reader.Buffered())
			rw.Read(sameRest)
			sameRest = append(sameRest, c.lines...)
			c.Close()
		})}
		server.Serve(c)
		server.Close()
		if same == nil {
			t.Fatalf("net/http refuses %q", in)
		}
		if same.Host != r.Host || same.RequestURI != r.RequestURI || same.Proto != r.Proto || !reflect.DeepEqual(same.Header, r.Header) {
			t.Errorf("%+v and %+v of %q", r, same, in)
		}
		if !bytes.Equal(rest, sameRest) {
			t.Errorf("%q and %q come after %q", rest, sameRest, in)
		}
	})
}

// oneConn is a net.Listener that ends with its only connection.
type oneConn struct {
	script
	given  bool
	once   sync.Once
	closed chan struct{}
}

func (c *oneConn) Addr() net.Addr { return noAddr{} }

func (c *oneConn) Accept() (net.Conn, error) {
	if c.given {
		<-c.closed
		return nil, net.ErrClosed
	}
	c.given = true
	return c, nil
}

func (c *oneConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}
