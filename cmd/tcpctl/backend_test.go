package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// backend is a server that says its name before each line that it gives back.
// It can die and come back at the same address.
type backend struct {
	name, addr string

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func newBackend(name string) (*backend, error) {
	b := &backend{name: name, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	if err := b.start(); err != nil {
		return nil, err
	}
	b.addr = b.ln.Addr().String()
	return b, nil
}

func (b *backend) start() error {
	ln, err := net.Listen("tcp", b.addr)
	for n := 0; errors.Is(err, syscall.EADDRINUSE) && n < 100; n++ {
		time.Sleep(50 * time.Millisecond) // somebody's outgoing connection has the port
		ln, err = net.Listen("tcp", b.addr)
	}
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.ln = ln
	b.mu.Unlock()
	b.wg.Add(1)
	go b.acceptAll(ln)
	return nil
}

// die is what kill -9 does: whoever is connected sees a reset.
func (b *backend) die() {
	b.mu.Lock()
	b.ln.Close()
	for c := range b.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *backend) acceptAll(ln net.Listener) {
	defer b.wg.Done()
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		b.conns[c] = true
		b.mu.Unlock()
		b.wg.Add(1)
		go b.serve(c)
	}
}

func (b *backend) serve(c net.Conn) {
	defer b.wg.Done()
	for lines := bufio.NewScanner(c); lines.Scan(); {
		fmt.Fprintf(c, "%s: %s\n", b.name, lines.Text())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Close()
	delete(b.conns, c)
}

// patience only catches hangs.
const patience = 40 * time.Second

// client is one that talks in lines.
type client struct {
	*net.TCPConn
	r    *bufio.Reader
	gone string // how it ended before it could do anything
}

func dial(addr string) (*client, error) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(patience))
	return &client{TCPConn: c.(*net.TCPConn), r: bufio.NewReader(c)}, nil
}

func (c *client) says(line string) error {
	_, err := fmt.Fprintln(c, line)
	return err
}

func (c *client) hears(line string) error {
	got, err := c.r.ReadString('\n')
	if err == nil && got != line+"\n" {
		err = fmt.Errorf("heard %q, not %q", got, line)
	}
	return err
}

// sees says how the connection ends: "fin" or "reset".
func (c *client) sees() (string, error) {
	if c.gone != "" {
		return c.gone, nil
	}
	_, err := io.Copy(io.Discard, c.r)
	switch {
	case err == nil:
		return "fin", nil
	case errors.Is(err, syscall.ECONNRESET):
		return "reset", nil
	}
	return "", err
}

func (c *client) resets() {
	c.SetLinger(0)
	c.Close()
}
