package ws_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

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

// A client that sends a line and reads until the server closes.
func ExampleDial() {
	l, _ := ws.Listen("tcp", "127.0.0.1:0", ws.Config{})
	defer l.Close()
	go greeting(l)

	c, err := ws.Dial(context.Background(), "ws://"+l.Addr().String()+"/greeting")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "gopher")
	answer, err := io.ReadAll(c)
	fmt.Printf("%s %v %d\n", answer, err, c.CloseError().Code)
	// Output: hello, gopher <nil> 1000
}

func greeting(l *ws.Listener) {
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
	// Output: ws: dial: the server refused the handshake (the server answered 503 Service Unavailable: "the queue is full")
}

// A bridge to a TCP service, which answers the handshake once the backend is
// connected. The client closes, the backend gets the end of the stream, and
// what it still sends is delivered.
func ExampleListener_Next() {
	service, err := net.Listen("tcp", "127.0.0.1:0") // answers once it has everything
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()
	ended := make(chan string, 1)
	go func() {
		c, err := service.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Fprintf(c, "echo %s", line)
		rest, _ := io.ReadAll(c)
		ended <- string(rest)
	}()

	l, err := ws.Listen("tcp", "127.0.0.1:0", ws.Config{Path: "/service"})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			p, err := l.Next()
			if err != nil {
				return
			}
			go relay(p, service.Addr().String())
		}
	}()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err = ws.Dial(ctx, "ws://"+l.Addr().String()+"/elsewhere")
	if refused, ok := errors.AsType[*ws.HandshakeError](err); ok {
		fmt.Println("another path:", refused.Response.Status)
	}

	c, err := ws.Dial(ctx, "ws://"+l.Addr().String()+"/service")
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(c, "hello\n")
	line, _ := bufio.NewReader(c).ReadString('\n')
	fmt.Print(line)
	io.WriteString(c, "goodbye")
	err = c.CloseWith(ws.GoingAway, "page closed")
	fmt.Println("close:", err)
	fmt.Println("the service has read:", <-ended)
	fmt.Println("shutdown:", l.Shutdown(ctx))
	// Output:
	// another path: 404 Not Found
	// echo hello
	// close: <nil>
	// the service has read: goodbye
	// shutdown: <nil>
}

func relay(p *ws.Pending, addr string) {
	backend, err := net.Dial("tcp", addr)
	if err != nil {
		p.Refuse(502, 0, "no backend")
		return
	}
	defer backend.Close()
	c, err := p.Accept()
	if err != nil {
		return
	}
	go func() {
		c.WriteTo(backend) // returns after the client's Close
		backend.(*net.TCPConn).CloseWrite()
	}()
	c.ReadFrom(backend)
	c.Close()
}
