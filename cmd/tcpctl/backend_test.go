package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// backend is a server that says its name before each line that it gives back.
// It can die and come back at the same address.
type backend struct {
	name, addr string
	port       *proxytest.Port // addr is its own also while it is dead; released when nothing refers to it

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]bool
	moody bool // it accepts clients, and resets each once it has asked
	wg    sync.WaitGroup
}

func newBackend(name string) (*backend, error) {
	port, err := proxytest.Reserve()
	if err != nil {
		return nil, err
	}
	b := &backend{name: name, addr: port.Addr, port: port, conns: map[net.Conn]bool{}}
	runtime.AddCleanup(b, (*proxytest.Port).Release, port)
	return b, b.start()
}

func (b *backend) start() error {
	ln, err := net.Listen("tcp", b.addr)
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

// die is what kill -9 does: each client that is connected sees a reset.
func (b *backend) die() {
	b.mu.Lock()
	proxytest.StopListening(b.ln)
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
		if b.resets(c) {
			break
		}
		fmt.Fprintf(c, "%s: %s\n", b.name, lines.Text())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Close()
	delete(b.conns, c)
}

// resets says whether it answers nothing, and makes the close of c a reset.
func (b *backend) resets(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.moody {
		c.(*net.TCPConn).SetLinger(0)
	}
	return b.moody
}

func (b *backend) setMoody(moody bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.moody = moody
}

// patience only catches hangs.
const patience = time.Minute

// pace is between two visits of one client that comes again and again. A handful of them
// without it would take the whole machine from the tests beside.
const pace = 5 * time.Millisecond

// slowPace is that of many clients over many seconds.
const slowPace = 10 * pace

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

// says also notes a reset: the write that meets one takes the error, and a read would
// find the end.
func (c *client) says(line string) error {
	_, err := fmt.Fprintln(c, line)
	if errors.Is(err, syscall.ECONNRESET) {
		c.gone = "reset"
	}
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
