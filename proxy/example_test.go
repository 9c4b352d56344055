package proxy_test

import (
	"context"
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

// One backend takes one session at a time, so the second client waits in the
// queue until the first has ended. Shutdown lets it finish.
func ExampleEngine_Shutdown() {
	backend := echo()
	defer backend.Close()
	records := make(chan proxy.Record, 2)
	engine, err := proxy.New(proxy.Config{
		Services: []proxy.ServiceConfig{{
			Name:     "db",
			Listen:   []string{"127.0.0.1:0"},
			Backends: []proxy.BackendConfig{{Name: "primary", Addr: backend.Addr().String(), MaxSessions: 1}},
		}},
		OnRecord: func(r proxy.Record) { records <- r }, // it must not block
	})
	if err == nil {
		err = engine.Start()
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer engine.Close()
	db := engine.Service("db")
	addr := db.Info().Listen[0]

	first, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Close()
	fmt.Fprint(first, "a")
	io.ReadFull(first, make([]byte, 1)) // now it has its backend
	answer := make(chan string)
	go func() { answer <- ask(addr, "hello") }()
	for len(db.Waiters()) == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("waiting:", db.Waiters()[0].Position)

	ended := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ended <- engine.Shutdown(ctx)
	}()
	first.Close()
	fmt.Println(<-answer)
	fmt.Println("shutdown:", <-ended)
	for range 2 {
		r := <-records
		fmt.Println(r.Service, r.Backend, r.BytesIn, "bytes")
	}
	// Output:
	// waiting: 1
	// hello
	// shutdown: <nil>
	// db primary 1 bytes
	// db primary 5 bytes
}

// echo sends back what it receives.
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

// ask sends text and returns everything that comes back.
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
