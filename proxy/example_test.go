package proxy_test

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

func Example() {
	backend := echo()
	defer backend.Close()

	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{
		Name:     "db",
		Listen:   []string{"127.0.0.1:0"},
		Backends: []proxy.BackendConfig{{Addr: backend.Addr().String()}},
	}}})
	if err == nil {
		err = engine.Start() // returns at once
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close() // Shutdown lets sessions finish

	fmt.Println(ask(engine.Service("db").Info().Listen[0], "hello"))
	// Output: hello
}

// Clients that come during a pause are held in the queue, not refused.
func ExampleService_Pause() {
	backend := echo()
	defer backend.Close()
	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{
		Name:     "db",
		Listen:   []string{"127.0.0.1:0"},
		Backends: []proxy.BackendConfig{{Addr: backend.Addr().String()}},
	}}})
	if err == nil {
		err = engine.Start()
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	db := engine.Service("db")

	db.Pause(proxy.PauseOptions{By: "ana", Reason: "kernel patch", Max: time.Minute})
	answer := make(chan string)
	go func() { answer <- ask(db.Info().Listen[0], "hello") }()
	for len(db.Waiters()) == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(db.Waiters()[0].Reason)

	db.Resume(proxy.ResumeOptions{By: "ana"})
	fmt.Println(<-answer)
	// Output:
	// paused
	// hello
}

// echo gives back what it hears.
func echo() net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			io.Copy(c, c)
			c.Close()
		}
	}()
	return ln
}

// ask says something and gives all that comes back.
func ask(addr, text string) string {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	fmt.Fprint(c, text)
	c.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(c)
	return string(answer)
}
