package ws_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/tcpctl/tcpctl/ws"
)

// A server that echoes.
func ExampleListen() {
	l, err := ws.Listen("tcp", "127.0.0.1:0", ws.Config{Origins: []string{"https://app.example.com"}})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	fmt.Println(l.Addr().Network())
	// Output: tcp
}

// A client that says one thing and hears the end.
func ExampleDial() {
	l, _ := ws.Listen("tcp", "127.0.0.1:0", ws.Config{})
	defer l.Close()
	go greet(l)

	c, err := ws.Dial(context.Background(), "ws://"+l.Addr().String()+"/greet")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "gopher")
	answer, err := io.ReadAll(c)
	fmt.Printf("%s %v %d\n", answer, err, c.CloseError().Code)
	// Output: hello, gopher <nil> 1000
}

func greet(l *ws.Listener) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	name := make([]byte, 100)
	n, _ := c.Read(name)
	fmt.Fprintf(c, "hello, %s", name[:n])
	c.Close()
}

// A handshake waits until its backend is connected, or refused.
func ExamplePending() {
	l, _ := ws.Listen("tcp", "127.0.0.1:0", ws.Config{})
	defer l.Close()
	go func() {
		p, err := l.Next()
		if err == nil {
			p.Refuse(503, 0, "the queue is full")
		}
	}()
	_, err := ws.Dial(context.Background(), "ws://"+l.Addr().String())
	fmt.Println(err)
	// Output: ws: dial: the server refused the handshake (the server answered 503 Service Unavailable)
}
